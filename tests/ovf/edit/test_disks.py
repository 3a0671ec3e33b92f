"""Disks, media and files that come and go, on the command line and in the text."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ovf.edit import disks, files
from ovf.edit.disks import DiskWords
from ovf.edit.draft import Draft
from ovf.judging.validate import validate
from ovf.package import Package
from ovf.writing.write import held
from rehost.errors import InteropError, UsageError
from tests.ovf.builders import manifest, pack, signed_off
from tests.ovf.edit.appliances import DISK, WEB, after, difference, draft_of
from tests.support.images import MIB
from tests.support.packages import listing, raw_disk, rehost, seen, stream
from tests.support.streams import end_at_marker

WHOLE = {"web.ovf": WEB.encode(), "disk.vmdk": DISK}
GIB = 1 << 30


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return pack(tmp_path / "web.ova", signed_off(WHOLE))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return end_at_marker(stream(raw_disk(tmp_path / "raw"), tmp_path / "data.vmdk"))


def new_findings(before: Path, now: Path) -> set[str]:
    old, new = ({found.rule for found in validate(Package.open(path))} for path in (before, now))
    return new - old


def test_a_disk_tells_its_size_and_format_itself(tmp_path: Path, source: Path, image: Path) -> None:
    done = rehost("ovf", "add", "disk", source, image, "-o", tmp_path / "x.ova")
    assert seen(done, tmp_path) == (0, "wrote x.ova\n", "")
    assert listing(tmp_path / "x.ova") == ["web.ovf", "web.mf", "disk.vmdk", "data.vmdk"]
    package = Package.open(tmp_path / "x.ova")
    [_, disk] = package.envelope.disks
    assert (disk.id, disk.file_ref, package.envelope.capacity(disk)) == (
        "vmdisk2",
        "file2",
        8 * MIB,
    )
    assert (disk.format or "").endswith("#streamOptimized")
    said = package.descriptor.content.decode()
    assert (
        f'<ovf:File ovf:id="file2" ovf:href="data.vmdk" ovf:size="{image.stat().st_size}"/>' in said
    )
    assert new_findings(source, tmp_path / "x.ova") == set()
    done = rehost("ovf", "remove", "disk", tmp_path / "x.ova", "vmdisk2", "-o", tmp_path / "y.ova")
    assert seen(done, tmp_path) == (0, "wrote y.ova\n", "")
    assert Package.open(tmp_path / "y.ova").descriptor.content == WEB.encode()
    assert listing(tmp_path / "y.ova") == ["web.ovf", "web.mf", "disk.vmdk"]


def test_a_drive_s_place_and_a_disk_s_file_are_chosen(
    tmp_path: Path, source: Path, image: Path
) -> None:
    (tmp_path / "medium.iso").write_bytes(bytes(2048))
    one, two = tmp_path / "one.ova", tmp_path / "two.ova"
    place = ("--bus", "sata", "--at", "0:3", "--name", "a b.vmdk", "--id", "data")
    words = ("--drive-name", "Data", "--drive-description", "More room")
    assert rehost("ovf", "add", "disk", source, image, "-o", one, *place, *words).code == 0
    done = rehost("ovf", "add", "cdrom", one, tmp_path / "medium.iso", "-o", two)
    assert seen(done, tmp_path) == (0, "wrote two.ova\n", "")
    said = Package.open(two).descriptor.content.decode()
    for text in (
        'ovf:href="a%20b.vmdk"',
        "<rasd:AddressOnParent>3</rasd:AddressOnParent>",
        "<rasd:ResourceSubType>AHCI</rasd:ResourceSubType>",
        "<rasd:HostResource>ovf:/disk/data</rasd:HostResource>",
        "<rasd:HostResource>ovf:/file/file3</rasd:HostResource>",
        "<rasd:ElementName>IDE Controller 0</rasd:ElementName>",
        "<rasd:ElementName>Data</rasd:ElementName>",
        "<rasd:Description>More room</rasd:Description>",
    ):
        assert text in said, text
    assert new_findings(source, two) == set()
    converted = rehost("inspect", two)
    assert (converted.code, converted.err) == (0, "")


def test_a_disk_is_replaced_in_its_place(tmp_path: Path, source: Path, image: Path) -> None:
    done = rehost("ovf", "set", source, "--file", f"file1={image}", "-o", tmp_path / "x.ova")
    assert seen(done, tmp_path) == (0, "wrote x.ova\n", "")
    assert listing(tmp_path / "x.ova") == ["web.ovf", "web.mf", "disk.vmdk"]
    package = Package.open(tmp_path / "x.ova")
    assert package.member("disk.vmdk").pread(0, 1 << 30) == image.read_bytes()
    assert package.envelope.capacity(package.envelope.disks[0]) == 8 * MIB
    changed = difference(WEB, package.descriptor.content.decode())
    assert changed.count("\n- ") + changed.startswith("- ") == 2
    assert new_findings(source, tmp_path / "x.ova") == set()


def test_chunks_give_way_to_one_file(tmp_path: Path, image: Path) -> None:
    text = WEB.replace("ovf:size=", 'ovf:chunkSize="32768" ovf:size=')
    chunks = {"disk.vmdk.000000000": DISK[:32768], "disk.vmdk.000000001": DISK[32768:]}
    source = pack(tmp_path / "web.ova", {"web.ovf": text.encode(), **chunks})
    done = rehost("ovf", "set", source, "--file", f"disk.vmdk={image}", "--in-place")
    assert seen(done, tmp_path) == (0, "wrote web.ova\n", "")
    assert listing(source) == ["web.ovf", "web.mf", "disk.vmdk"]


def test_an_empty_disk_and_its_size(tmp_path: Path, source: Path) -> None:
    one, two = tmp_path / "one.ova", tmp_path / "two.ova"
    assert rehost("ovf", "add", "disk", source, "--capacity", "10G", "-o", one).code == 0
    assert rehost("ovf", "set", one, "--capacity", "vmdisk2=20G", "-o", two).code == 0
    envelope = Package.open(two).envelope
    assert [envelope.capacity(disk) for disk in envelope.disks] == [GIB, 20 * GIB]
    assert new_findings(source, two) == set()
    done = rehost("ovf", "set", one, "--capacity", "vmdisk1=2G", "-o", two, "--force")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: one.ova!web.ovf:12: disk 'vmdisk1' is in a file, which has its own size\n"
        "hint: Change that with `rehost disk resize`.\n",
    )


def test_files_come_and_go(tmp_path: Path, source: Path) -> None:
    (tmp_path / "read.me").write_text("hello")
    out = tmp_path / "out"
    done = rehost("ovf", "add", "file", source, tmp_path / "read.me", "-o", out)
    wrote = "".join(f"wrote out/{name}\n" for name in ("disk.vmdk", "read.me", "web.ovf", "web.mf"))
    assert seen(done, tmp_path) == (0, wrote, "")
    assert (out / "read.me").read_text() == "hello"
    done = rehost("ovf", "remove", "file", out, "read.me", "--in-place")
    note = "note: out/read.me: is no longer part of the package, but left where it is\n"
    assert seen(done, tmp_path) == (0, "wrote out/web.ovf\nwrote out/web.mf\n", note)
    assert (out / "web.ovf").read_bytes() == WEB.encode()
    assert (out / "web.mf").read_bytes() == manifest(WHOLE)


def test_the_other_things_that_can_be_added_and_removed(tmp_path: Path, source: Path) -> None:
    steps: list[tuple[str, ...]] = [
        ("add", "nic", "--network", "lan", "--type", "E1000", "--mac", "00:50:56:00:00:01"),
        ("add", "network", "wan", "--description", "Outside"),
        ("add", "controller", "scsi", "--type", "VirtualSCSI"),
        ("add", "serial", "--connection", "tcp:1"),
        (
            "add",
            "property",
            "a",
            "--value",
            "1",
            "--type",
            "uint8",
            "--for",
            "large=2",
            "--label",
            "A",
        ),
        ("add", "configuration", "huge", "--default"),
        ("remove", "configuration", "huge"),
        ("remove", "property", "a"),
        ("remove", "item", "Serial port"),
        ("remove", "item", "SCSI Controller 1"),
        ("remove", "network", "wan"),
        ("remove", "nic", "6"),
        ("remove", "network", "lan"),
    ]
    for verb, what, *more in steps:
        done = rehost("ovf", verb, what, source, *more, "--in-place")
        assert seen(done, tmp_path) == (0, "wrote web.ova\n", ""), (verb, what)
        assert new_findings(source, source) == set()
    marked = WEB.replace('ovf:id="small" ovf:default="true"', 'ovf:id="small"')
    assert Package.open(source).descriptor.content.decode() == marked


def test_sizes_that_are_wrong_are_corrected() -> None:
    text = WEB.replace('ovf:size="65536"', 'ovf:size="1"')
    assert after(files.state_sizes, text) == ""


def test_a_medium_in_memory() -> None:
    done = after(lambda draft: disks.add_medium(draft, None, held("a.iso", b"x")))
    assert '+ <ovf:File ovf:id="file2" ovf:href="a.iso" ovf:size="1"/>' in done
    assert "+ <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>" in done


DELTA = WEB.replace(
    "  </ovf:DiskSection>",
    '    <ovf:Disk ovf:diskId="d" ovf:capacity="1" ovf:parentRef="vmdisk1"/>\n  </ovf:DiskSection>',
)
REFUSED: dict[str, tuple[Callable[[Draft, Path], object], str, str]] = {
    "a disk of no known size": (
        lambda draft, _: disks.add_disk(draft, None, None, DiskWords()),
        "it is not known how large the disk is",
        "Say --capacity.",
    ),
    "a disk of a known id": (
        lambda draft, _: disks.add_disk(
            draft, None, None, DiskWords(identifier="vmdisk1", capacity=GIB)
        ),
        "web.ovf: there is a disk of the id 'vmdisk1'",
        "",
    ),
    "a disk that others build upon": (
        lambda draft, _: disks.remove_disk(draft, "vmdisk1"),
        "web.ovf:12: disk 'vmdisk1' is what 'd' builds upon",
        "Remove that first.",
    ),
    "a disk nobody knows": (
        lambda draft, _: disks.remove_disk(draft, "vmdisk9"),
        "web.ovf: has no disk 'vmdisk9'",
        "There are 'vmdisk1', 'd'.",
    ),
    "a file in use": (
        lambda draft, _: files.remove_file(draft, "disk.vmdk"),
        "web.ovf:8: file 'disk.vmdk' is in use by Disk 'vmdisk1'",
        "Remove that first: `rehost ovf remove disk` takes its file along.",
    ),
    "a file nobody knows": (
        lambda draft, _: files.remove_file(draft, "x"),
        "web.ovf: has no file 'x'",
        "There are file1 'disk.vmdk'.",
    ),
    "a file that is there": (
        lambda draft, folder: files.add_file(draft, folder / "disk.vmdk"),
        "web.ovf: there is a file 'disk.vmdk' already",
        "Give the new one another name: --name.",
    ),
    "a file called like a manifest": (
        lambda draft, folder: files.add_file(draft, folder / "disk.vmdk", name="web.mf"),
        "is no name for a file of a package ('web.mf')",
        "Name it otherwise: --name NAME, without a folder.",
    ),
    "a file whose name is no text": (
        lambda draft, folder: files.add_file(draft, folder / "disk.vmdk", name="x\udcff"),
        "is no name for a file of a package ('x\\udcff')",
        "Name it otherwise: --name NAME, without a folder.",
    ),
    "a file of a known id": (
        lambda draft, folder: files.add_file(
            draft, folder / "disk.vmdk", name="x", identifier="file1"
        ),
        "web.ovf: there is a file of the id 'file1'",
        "",
    ),
    "a controller in use": (
        lambda draft, _: disks.remove_item(draft, None, "3"),
        "web.ovf:82: Item 'SCSI Controller 0' is what Item 'Hard disk 1' hangs on",
        "Remove that first.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_in_these_words(name: str, tmp_path: Path) -> None:
    change, message, hint = REFUSED[name]
    (tmp_path / "disk.vmdk").write_bytes(b"x")
    with pytest.raises(UsageError) as caught:
        change(draft_of(DELTA), tmp_path)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_an_archive_is_no_disk_unless_it_is_said_to_be(tmp_path: Path, source: Path) -> None:
    (tmp_path / "disk.vmdk.gz").write_bytes(gzip.compress(b"x"))
    for archive in (source, tmp_path / "disk.vmdk.gz"):
        argv = ("ovf", "add", "disk", source, archive, "-o", tmp_path / "x.ova", "--name", "d")
        assert seen(rehost(*argv), tmp_path) == (
            2,
            "",
            f"error: {archive.name}: is an archive, not a disk\n"
            "hint: Unpack it first, or say what it is to be by --capacity and --format.\n",
        )
        said = ("--capacity", "1G", "--format", "http://x", "--force")
        assert rehost(*argv, *said).code == 0


def test_a_place_that_is_none_is_refused(tmp_path: Path, source: Path) -> None:
    done = rehost("ovf", "add", "cdrom", source, "-o", tmp_path / "x.ova", "--at", "1")
    assert done.code == 2
    assert done.err.endswith("Invalid value for '--at': '1' is no CONTROLLER:UNIT, such as 0:1\n")


def test_a_draft_of_its_own_needs_its_files() -> None:
    with pytest.raises(InteropError) as caught:
        draft_of().parcel()
    assert str(caught.value) == "web.ovf: names a file that was not added ('disk.vmdk')"


def test_an_image_of_several_files_is_refused(tmp_path: Path) -> None:
    flat = stream(raw_disk(tmp_path / "raw"), tmp_path / "flat.vmdk", "monolithicFlat")
    with pytest.raises(InteropError) as caught:
        disks.add_disk(draft_of(), None, files.local(flat), DiskWords())
    assert str(caught.value) == f"{flat}: needs another file ('flat-flat.vmdk')"
    assert caught.value.hint == "Make it one file first: `rehost disk convert`."


def test_a_format_without_a_name_is_refused(tmp_path: Path) -> None:
    vdi = tmp_path / "x.vdi"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vdi", vdi, "1M"], check=True)
    with pytest.raises(InteropError) as caught:
        disks.add_disk(draft_of(), None, files.local(vdi), DiskWords())
    assert str(caught.value) == f"{vdi}: is in a format that packages have no name for (vdi)"
    assert caught.value.hint == (
        "Convert it first, `rehost disk convert DISK DISK.vmdk`, or say --format URI."
    )


IMAGES = {"add": {"data.vmdk"}, "set": {"disk.vmdk"}, "new": {"data.vmdk"}}
MENDED = "`rehost validate PACKAGE --fix DEST` mends that"


@pytest.mark.parametrize("command", ["add", "set", "new"])
def test_a_stream_that_ends_wrongly_is_told_of(
    tmp_path: Path, source: Path, image: Path, command: str
) -> None:
    """The file is put in as it is, for it is the user's; mending is another command's."""
    whole = image.read_bytes()
    dest = tmp_path / "x.ova"
    argv: dict[str, tuple[str | Path, ...]] = {
        "add": ("ovf", "add", "disk", source, image, "-o", dest, "--force"),
        "set": ("ovf", "set", source, "--file", f"file1={image}", "-o", dest, "--force"),
        "new": ("ovf", "new", dest, "--disk", image, "--force"),
    }
    for content, said in (
        (whole[:-512], f"data.vmdk: the stream has no end-of-stream marker; {MENDED}"),
        (whole + b"x" * 9, f"data.vmdk: 9 bytes lie behind the end-of-stream marker; {MENDED}"),
    ):
        image.write_bytes(content)
        done = rehost(*argv[command])
        assert seen(done, tmp_path) == (0, "wrote x.ova\n", f"note: {said}\n")
        fixed = tmp_path / "fixed.ova"
        rehost("validate", dest, "--fix", fixed, "--force")
        package = Package.open(fixed)
        [member] = [package.member(name) for name in package.names() if name in IMAGES[command]]
        assert member.pread(0, member.size) == whole


def test_a_disk_that_is_cut_short_is_told_of(tmp_path: Path, source: Path, image: Path) -> None:
    image.write_bytes(image.read_bytes()[:-1024])
    done = rehost("ovf", "add", "disk", source, image, "-o", tmp_path / "x.ova")
    code, out, err = seen(done, tmp_path)
    assert (code, out) == (0, "wrote x.ova\n")
    assert err.startswith("note: data.vmdk: the VMDK is cut short (its last grain begins at ")
    assert err.endswith(f", the file ends at {image.stat().st_size})\n")
