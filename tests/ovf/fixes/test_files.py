"""What is mended in the files of a package: cut off, unpacked, joined, and called what they are."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from ovf.judging.targets import target_named
from ovf.mending.mend import mend
from ovf.package import Package
from tests.ovf.builders import STREAM, with_disk
from tests.support.packages import rehost
from tests.support.streams import walked

SIZE = 1 << 20
BEHIND = 64512
"""The bytes by which qemu-img rounds the file up."""
QCOW2 = "http://www.gnome.org/~markmc/qcow-image-format.html"


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a stream-optimized VMDK by qemu-img, with what it leaves behind the marker."""
    folder = tmp_path_factory.mktemp("stream")
    (folder / "disk.raw").write_bytes(b"guest" * 1000 + bytes(SIZE - 5000))
    kind = ("-O", "vmdk", "-o", "subformat=streamOptimized")
    argv = ("qemu-img", "convert", *kind, folder / "disk.raw", folder / "disk.vmdk")
    subprocess.run(argv, check=True)
    content = (folder / "disk.vmdk").read_bytes()
    assert content.endswith(bytes(BEHIND))
    return content


def written(folder: Path, name: str, attributes: str, form: str = STREAM) -> Path:
    text = with_disk(name, attributes).replace('"65536"', f'"{SIZE}"').replace(STREAM, form)
    path = folder / "web.ovf"
    path.write_text(text)
    return path


def said(source: Path, *targets: str) -> list[str]:
    found = mend(Package.open(source), tuple(map(target_named, targets)))
    return [f"{repair.what} [{repair.rule}]" for repair in found.repairs]


def fixed(source: Path, *targets: str) -> Path:
    dest = source.parent / "fixed" / "web.ovf"
    dest.parent.mkdir()
    named = [part for target in targets for part in ("--target", target)]
    done = rehost("validate", source, "--fix", dest, "--fail-on", "never", *named)
    assert (done.code, done.err.count("error")) == (0, 0)
    return dest.parent


def test_a_file_that_gets_another_name_gets_its_size_too(tmp_path: Path, stream: bytes) -> None:
    (tmp_path / "a@b.vmdk").write_bytes(stream[:-BEHIND])
    source = written(tmp_path, "a%40b.vmdk", 'ovf:size="5"')
    assert said(source, "proxmox") == [
        "a%40b.vmdk is a-b.vmdk now [PVE-007]",
        f"ovf:size: 5 -> {len(stream) - BEHIND} [REF-006]",
    ]
    result = mend(Package.open(source), (target_named("proxmox"),)).draft.result()
    assert mend(result, (target_named("proxmox"),)).repairs == ()


def test_a_file_that_nothing_refers_to_stays_with_what_is_in_it(tmp_path: Path) -> None:
    extra = '<File ovf:href="x" ovf:id="x"{}</References>'
    for end, mended in (
        ("/>", ["File 'x' is left out, for nothing refers to it [REF-014]"]),
        ("><Item/></File>", []),
    ):
        path = tmp_path / "web.ovf"
        path.write_text(with_disk().replace("</References>", extra.format(end)))
        assert [line for line in said(path) if "REF-014" in line] == mended


def test_a_stream_is_cut_off_at_its_marker(tmp_path: Path, stream: bytes) -> None:
    """Nothing is recompressed: what is left are the very bytes up to the marker."""
    (tmp_path / "disk.vmdk").write_bytes(stream)
    source = written(tmp_path, "disk.vmdk", f'ovf:size="{len(stream)}"')
    end = len(stream) - BEHIND
    assert said(source) == [
        f"disk.vmdk: {len(stream)} -> {end} bytes, to its end-of-stream marker [DSK-014]"
    ]
    result = fixed(source) / "disk.vmdk"
    assert result.read_bytes() == stream[:end]
    assert (tmp_path / "disk.vmdk").read_bytes() == stream
    compared = subprocess.run(("qemu-img", "compare", result, tmp_path / "disk.vmdk"), check=False)
    assert compared.returncode == 0
    digest = hashlib.sha256(stream[:end]).hexdigest()
    assert f"SHA256(disk.vmdk)= {digest}\n" in (result.parent / "web.mf").read_text()


def test_a_stream_without_a_marker_gets_one(tmp_path: Path, stream: bytes) -> None:
    """As qemu-img leaves it out; a grain need not even fill its last sector."""
    end = len(stream) - BEHIND
    last = len(stream.rstrip(b"\0"))
    for size in (end - 512, last, end - 1):
        (tmp_path / "disk.vmdk").write_bytes(stream[:size])
        source = written(tmp_path, "disk.vmdk", f'ovf:size="{size}"')
        assert said(source) == [
            f"disk.vmdk: {size} -> {end} bytes, with an end-of-stream marker [DSK-024]"
        ]
        result = fixed(source) / "disk.vmdk"
        assert result.read_bytes() == stream[:end]
        assert walked(result.read_bytes()).end == end
        digest = hashlib.sha256(stream[:end]).hexdigest()
        assert f"SHA256(disk.vmdk)= {digest}\n" in (result.parent / "web.mf").read_text()
        shutil.rmtree(result.parent)


def test_a_stream_of_an_empty_disk_gets_a_marker_too(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(bytes(SIZE))
    kind = ("-O", "vmdk", "-o", "subformat=streamOptimized")
    argv = ("qemu-img", "convert", *kind, tmp_path / "disk.raw", tmp_path / "disk.vmdk")
    subprocess.run(argv, check=True)
    size = (tmp_path / "disk.vmdk").stat().st_size
    source = written(tmp_path, "disk.vmdk", f'ovf:size="{size}"')
    assert said(source) == [
        f"disk.vmdk: {size} -> {size + 512} bytes, with an end-of-stream marker [DSK-024]"
    ]
    assert walked((fixed(source) / "disk.vmdk").read_bytes()).end == size + 512


def test_a_stream_that_is_not_whole_gets_no_marker(tmp_path: Path, stream: bytes) -> None:
    last = len(stream.rstrip(b"\0"))
    for content in (stream[: last - 1], stream[:last].ljust(len(stream) - BEHIND, b"\0")[:-512]):
        (tmp_path / "disk.vmdk").write_bytes(content)
        source = written(tmp_path, "disk.vmdk", f'ovf:size="{len(content)}"')
        rest = b"" if len(content) < last else b"garbage" * 100
        (tmp_path / "disk.vmdk").write_bytes(content + rest)
        assert [each for each in said(source) if "DSK-024" in each] == []


@pytest.mark.parametrize("target", ["vmware-esxi-8", "proxmox", "openstack", "gcp", "aws"])
def test_a_compressed_file_is_unpacked(tmp_path: Path, stream: bytes, target: str) -> None:
    packed = gzip.compress(stream, mtime=0)
    (tmp_path / "disk.vmdk.gz").write_bytes(packed)
    attributes = f'ovf:size="{len(packed)}" ovf:compression="gzip"'
    source = written(tmp_path, "disk.vmdk.gz", attributes)
    size, end = len(stream), len(stream) - BEHIND
    assert said(source, target)[0].startswith(f"disk.vmdk is stored unpacked ({size} bytes) [")
    folder = fixed(source, target)
    assert (folder / "disk.vmdk").read_bytes() == stream[:end]
    assert f'ovf:href="disk.vmdk" ovf:size="{end}"' in (folder / "web.ovf").read_text()
    assert not (folder / "disk.vmdk.gz").exists()


@pytest.mark.parametrize("target", ["virtualbox", "virt-v2v", "xenserver"])
def test_chunks_are_joined(tmp_path: Path, stream: bytes, target: str) -> None:
    end, part = len(stream) - BEHIND, 40_000
    count = -(-end // part)
    for number in range(count):
        chunk = stream[:end][number * part : (number + 1) * part]
        (tmp_path / f"disk.vmdk.{number:09}").write_bytes(chunk)
    source = written(tmp_path, "disk.vmdk", f'ovf:size="{end}" ovf:chunkSize="{part}"')
    told = said(source, target)[0]
    assert told.startswith(f"disk.vmdk is stored in one piece, not in {count} ({end} bytes) [")
    folder = fixed(source, target)
    assert (folder / "disk.vmdk").read_bytes() == stream[:end]
    assert sorted(each.name for each in folder.iterdir()) == ["disk.vmdk", "web.mf", "web.ovf"]


@pytest.mark.parametrize(
    ("form", "targets", "rule"),
    [
        (QCOW2, (), "DSK-012"),
        (f"{STREAM.partition('#')[0]}#monolithicFlat", (), "DSK-012"),
        ("http://example.com/a-disk", ("vmware",), "VMW-034"),
        ("http://www.vmware.com/technical-resources/interfaces/vmdk.html", ("vbox",), "VBX-015"),
        ("http://www.vmware.com/specifications/vmdk.html", ("aws",), "AWS-001"),
        ("http://example.com/a-disk", ("nutanix",), "NTX-001"),
    ],
)
def test_a_format_is_called_what_the_file_is(
    tmp_path: Path, stream: bytes, form: str, targets: tuple[str, ...], rule: str
) -> None:
    (tmp_path / "disk.vmdk").write_bytes(stream[:-BEHIND])
    size = len(stream) - BEHIND
    source = written(tmp_path, "disk.vmdk", f'ovf:size="{size}"', form)
    assert said(source, *targets) == [f"Disk 'd' format: {form} -> {STREAM} [{rule}]"]


def test_a_size_that_is_not_stated_is(tmp_path: Path, stream: bytes) -> None:
    end = len(stream) - BEHIND
    (tmp_path / "disk.vmdk").write_bytes(stream[:end])
    source = written(tmp_path, "disk.vmdk", "")
    assert said(source) == [f"disk.vmdk has an ovf:size now ({end}) [REF-007]"]
    assert f'ovf:size="{end}"' in (fixed(source) / "web.ovf").read_text()


@pytest.mark.parametrize(
    ("old", "new", "told", "rule"),
    [
        (f'ovf:capacity="{SIZE}"', 'ovf:capacity="1MB"', "capacity: 1MB", "DSK-002"),
        (f'ovf:capacity="{SIZE}"', "", "capacity: none", "DSK-002"),
        (f'ovf:format="{STREAM}"', "", "format: none", "DSK-008"),
        (f'ovf:format="{STREAM}"', 'ovf:format="vmdk"', "format: vmdk", "PKG-006"),
    ],
)
def test_what_a_disk_does_not_say_its_file_does(  # noqa: PLR0917
    tmp_path: Path, stream: bytes, old: str, new: str, told: str, rule: str
) -> None:
    end = len(stream) - BEHIND
    (tmp_path / "disk.vmdk").write_bytes(stream[:end])
    source = written(tmp_path, "disk.vmdk", f'ovf:size="{end}"')
    right = f"{SIZE} bytes, as its file says" if rule == "DSK-002" else STREAM
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    assert said(source) == [f"Disk 'd' {told} -> {right} [{rule}]"]
    assert said(fixed(source) / "web.ovf") == []


def test_a_size_with_a_unit_becomes_that_of_the_file(tmp_path: Path, stream: bytes) -> None:
    end = len(stream) - BEHIND
    (tmp_path / "disk.vmdk").write_bytes(stream[:end])
    source = written(tmp_path, "disk.vmdk", 'ovf:size="1 MiB"')
    assert said(source) == [f"ovf:size: 1 MiB -> {end} [REF-016]"]


def test_a_file_in_one_piece_has_no_chunks(tmp_path: Path, stream: bytes) -> None:
    end = len(stream) - BEHIND
    (tmp_path / "disk.vmdk").write_bytes(stream[:end])
    source = written(tmp_path, "disk.vmdk", f'ovf:size="{end}" ovf:chunkSize="4096"')
    assert said(source) == [
        "disk.vmdk has no ovf:chunkSize now, for it is in one piece [REF-010]",
    ]


@pytest.mark.parametrize(
    ("name", "target", "right", "rule"),
    [
        ("disks/my%20disk.vmdk", "proxmox", "my-disk.vmdk", "PVE-007"),
        ("%E7%A3%81%E7%9B%98.vmdk", "proxmox", "disk.vmdk", "PVE-007"),
        ("web%2Ddisk.vmdk", "proxmox", "web-disk.vmdk", "PVE-007"),
        ("disk.img", "xcp-ng", "disk.img.vmdk", "XEN-007"),
        ("disk", "xen-orchestra", "disk.vmdk", "XOA-007"),
    ],
)
def test_a_file_gets_a_name_the_importer_reads(  # noqa: PLR0917
    tmp_path: Path, stream: bytes, name: str, target: str, right: str, rule: str
) -> None:
    end = len(stream) - BEHIND
    path = tmp_path / unquote(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(stream[:end])
    source = written(tmp_path, name, f'ovf:size="{end}"')
    assert f"{name} is {right} now [{rule}]" in said(source, target)
    folder = fixed(source, target)
    assert sorted(each.name for each in folder.iterdir()) == sorted((right, "web.mf", "web.ovf"))
    assert (folder / right).read_bytes() == stream[:end]
    assert said(folder / "web.ovf", target) == []


def test_two_files_do_not_get_one_name(tmp_path: Path, stream: bytes) -> None:
    """One that nothing refers to leaves; of the others none takes the place of another."""
    end = len(stream) - BEHIND
    for name in ("a b.vmdk", "a-b.vmdk"):
        (tmp_path / name).write_bytes(stream[:end])
    source = written(tmp_path, "a%20b.vmdk", f'ovf:size="{end}"')
    other = f'<File ovf:id="g" ovf:href="a-b.vmdk" ovf:size="{end}"/></References>'
    disk = f'<Disk ovf:diskId="e" ovf:fileRef="g" ovf:capacity="{SIZE}" ovf:format="{STREAM}"/>'
    text = source.read_text().replace("</References>", other)
    source.write_text(text.replace("</DiskSection>", f"{disk}</DiskSection>"))
    assert said(source, "proxmox") == ["a%20b.vmdk is a-b-2.vmdk now [PVE-007]"]
    names = sorted(each.name for each in fixed(source, "proxmox").iterdir())
    assert names == ["a-b-2.vmdk", "a-b.vmdk", "web.mf", "web.ovf"]


def test_what_is_renamed_is_unpacked_first(tmp_path: Path, stream: bytes) -> None:
    packed = gzip.compress(stream[:-BEHIND], mtime=0)
    (tmp_path / "my disk.vmdk.gz").write_bytes(packed)
    attributes = f'ovf:size="{len(packed)}" ovf:compression="gzip"'
    source = written(tmp_path, "my%20disk.vmdk.gz", attributes)
    folder = fixed(source, "proxmox")
    names = sorted(each.name for each in folder.iterdir())
    assert names == ["my-disk.vmdk", "web.mf", "web.ovf"]
    assert (folder / "my-disk.vmdk").read_bytes() == stream[:-BEHIND]
