"""Whole conversions of sound packages, judged by qemu-img: source and result are identical."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from converters.cargo import Blank, Item, adapted
from converters.disks.registry import format_named
from rehost.machine import Address, Bus, Controller, ControllerModel, Disk, Machine, Origin
from tests.ovf.builders import SCSI, item, manifest
from tests.support.packages import (
    CPU,
    DISK,
    MEMORY,
    REHOST,
    members,
    ova,
    raw_disk,
    rehost,
    stream,
    web,
)

CHUNK = 100_000
RAW_URI = "http://en.wikipedia.org/wiki/Byte"


def identical(left: Path, right: Path) -> bool:
    """Let qemu-img compare what the guest sees of two disks."""
    compare = ("qemu-img", "compare", left, right)
    return subprocess.run(compare, check=False, capture_output=True).returncode == 0


def convert(source: Path, *options: str, to: str = "qemu") -> Path:
    """Convert a source beside itself and return the folder."""
    out = source.parent / "out"
    said = rehost("convert", source, "--to", to, "-o", out, *options)
    assert (said.code, said.err) == (0, "")
    return out


def as_ova(folder: Path) -> Path:
    return ova(folder, members(folder))


def as_descriptor_beside_its_files(folder: Path) -> Path:
    parts = members(folder)
    (folder / "web.ovf").write_bytes(parts["web.ovf"])
    (folder / "web.mf").write_bytes(manifest(parts, "SHA512"))
    return folder / "web.ovf"


def as_folder(folder: Path) -> Path:
    place = folder / "package"
    place.mkdir()
    for name, content in members(folder).items():
        (place / name).write_bytes(content)
    return place


def as_ova_inside_gzip(folder: Path) -> Path:
    whole = as_ova(folder)
    packed = folder / "web.ova.gz"
    packed.write_bytes(gzip.compress(whole.read_bytes()))
    return packed


def as_compressed_member(folder: Path) -> Path:
    parts = members(folder, web(file_more='ovf:compression="gzip"'))
    return ova(folder, {**parts, "disk.vmdk": gzip.compress(parts["disk.vmdk"])})


def _chunks(content: bytes) -> dict[str, bytes]:
    return {
        f"disk.vmdk.{number:09}": content[at : at + CHUNK]
        for number, at in enumerate(range(0, len(content), CHUNK))
    }


def as_chunks(folder: Path) -> Path:
    parts = members(folder, web(file_more=f'ovf:chunkSize="{CHUNK}"'))
    return ova(folder, {"web.ovf": parts["web.ovf"], **_chunks(parts["disk.vmdk"])})


def as_compressed_chunks(folder: Path) -> Path:
    more = f'ovf:chunkSize="{CHUNK}" ovf:compression="gzip"'
    parts = members(folder, web(file_more=more))
    chunks = _chunks(gzip.compress(parts["disk.vmdk"]))
    return ova(folder, {"web.ovf": parts["web.ovf"], **chunks})


def _with_vmdk(folder: Path, subformat: str) -> Path:
    parts = members(folder)
    place = folder / "vmdk"
    place.mkdir()
    stream(folder / "disk.raw", place / "disk.vmdk", subformat)
    files = {path.name: path.read_bytes() for path in sorted(place.iterdir())}
    return ova(folder, {"web.ovf": parts["web.ovf"], **files})


def with_a_monolithic_sparse_vmdk(folder: Path) -> Path:
    return _with_vmdk(folder, "monolithicSparse")


def with_a_monolithic_flat_vmdk(folder: Path) -> Path:
    return _with_vmdk(folder, "monolithicFlat")


def with_a_split_sparse_vmdk(folder: Path) -> Path:
    return _with_vmdk(folder, "twoGbMaxExtentSparse")


def with_a_split_flat_vmdk(folder: Path) -> Path:
    return _with_vmdk(folder, "twoGbMaxExtentFlat")


def with_a_qcow2(folder: Path) -> Path:
    raw = raw_disk(folder / "disk.raw")
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", raw, folder / "d"], check=True)
    text = web(href="disk.qcow2", form="http://www.gnome.org/~markmc/qcow-image-format.html")
    return ova(folder, {"web.ovf": text, "disk.qcow2": (folder / "d").read_bytes()})


def with_a_raw_disk(folder: Path) -> Path:
    raw = raw_disk(folder / "disk.raw")
    text = web(href="disk.raw", form=RAW_URI)
    return ova(folder, {"web.ovf": text, "disk.raw": raw.read_bytes()})


SOURCES: list[Callable[[Path], Path]] = [
    as_ova,
    as_descriptor_beside_its_files,
    as_folder,
    as_ova_inside_gzip,
    as_compressed_member,
    as_chunks,
    as_compressed_chunks,
    with_a_monolithic_sparse_vmdk,
    with_a_monolithic_flat_vmdk,
    with_a_split_sparse_vmdk,
    with_a_split_flat_vmdk,
    with_a_qcow2,
    with_a_raw_disk,
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("disk_format", ["qcow2", "raw"])
def test_the_disk_arrives_whatever_the_package_looks_like(
    tmp_path: Path, source: Callable[[Path], Path], disk_format: str
) -> None:
    out = convert(source(tmp_path), "--disk-format", disk_format)
    assert identical(tmp_path / "disk.raw", out / f"web-disk1.{disk_format}")


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA384", "SHA512"])
def test_a_manifest_of_each_algorithm_is_checked(tmp_path: Path, algorithm: str) -> None:
    parts = members(tmp_path)
    convert(ova(tmp_path, parts, manifest(parts, algorithm)))
    bad = manifest({**parts, "disk.vmdk": b"other"}, algorithm)
    said = rehost("convert", ova(tmp_path, parts, bad), "--to", "qemu", "-o", tmp_path / "two")
    assert said.code == 7
    assert f"{algorithm} digest differs" in said.err


def test_a_blank_disk_and_a_cd_arrive(tmp_path: Path) -> None:
    blank = item(
        AddressOnParent=1, HostResource="ovf:/disk/blank", InstanceID=5, Parent=3, ResourceType=17
    )
    drive = item(
        AddressOnParent=2, HostResource="ovf:/file/cd", InstanceID=6, Parent=3, ResourceType=15
    )
    text = web(CPU, MEMORY, SCSI, DISK, blank, drive).decode()
    text = text.replace(
        "</DiskSection>",
        '<Disk ovf:diskId="blank" ovf:capacity="3" ovf:capacityAllocationUnits="byte * 2^20"/>'
        "</DiskSection>",
    ).replace("</References>", '<File ovf:id="cd" ovf:href="tools.iso"/></References>')
    content = b"CD001" * 4096
    parts = {**members(tmp_path, text.encode()), "tools.iso": content}
    out = convert(ova(tmp_path, parts))
    info = subprocess.run(
        ["qemu-img", "info", "--output=json", out / "web-disk2.qcow2"],
        check=True,
        capture_output=True,
    )
    assert json.loads(info.stdout)["virtual-size"] == 3 << 20
    assert (out / "web-cdrom1.iso").read_bytes() == content


def test_every_machine_of_a_collection_arrives_under_a_name_of_its_own(tmp_path: Path) -> None:
    text = web().decode()
    start, end = text.index("<VirtualSystem "), text.index("</VirtualSystem>") + 16
    one = text[start:end]
    bare = one.replace("ovf:/disk/d", "ovf:/disk/e")
    both = f'<VirtualSystemCollection ovf:id="all"><Info/>{one}{bare}</VirtualSystemCollection>'
    text = text[:start] + both + text[end:]
    text = text.replace("</References>", '<File ovf:id="g" ovf:href="two.vmdk"/></References>')
    more = '<Disk ovf:diskId="e" ovf:fileRef="g" ovf:capacity="8388608" ovf:format="x:y"/>'
    text = text.replace("</DiskSection>", f"{more}</DiskSection>")
    other = stream(raw_disk(tmp_path / "two.raw", seed=6), tmp_path / "two.vmdk").read_bytes()
    out = convert(ova(tmp_path, {**members(tmp_path, text.encode()), "two.vmdk": other}))
    assert sorted(path.name for path in out.iterdir()) == [
        "web-2-disk1.qcow2",
        "web-2.sh",
        "web-disk1.qcow2",
        "web.sh",
    ]
    assert identical(tmp_path / "disk.raw", out / "web-disk1.qcow2")
    assert identical(tmp_path / "two.raw", out / "web-2-disk1.qcow2")


def test_a_disk_alone_becomes_a_machine(tmp_path: Path) -> None:
    raw = raw_disk(tmp_path / "server.raw")
    out = convert(raw, to="libvirt")
    assert identical(raw, out / "server-disk1.qcow2")


def test_a_libvirt_domain_is_a_source(tmp_path: Path) -> None:
    first = convert(as_ova(tmp_path), to="libvirt")
    said = rehost("convert", first / "web.xml", "--to", "qemu", "-o", tmp_path / "again")
    assert (said.code, said.err) == (0, "")
    assert identical(tmp_path / "disk.raw", tmp_path / "again" / "web-disk1.qcow2")


def test_an_ova_is_read_in_place(tmp_path: Path) -> None:
    """Only the results and the staging folder are opened for writing."""
    source = as_ova(tmp_path)
    log = tmp_path / "trace"
    trace = ("strace", "-f", "-e", "trace=openat,open,creat,mkdir,memfd_create", "-o", log)
    argv = (*trace, REHOST, "-q", "convert", source, "--to", "qemu", "-o", tmp_path / "out")
    subprocess.run([str(word) for word in argv], check=True, stdout=subprocess.DEVNULL)
    written = {
        line.split('"')[1]
        for line in log.read_text().splitlines()
        if "O_CREAT" in line and " = -1" not in line
    }
    staging = tmp_path / "out" / ".rehost-partial-web"
    names = ("lock", "web-disk1.qcow2", "web.sh")
    ours = {path for path in written if not path.endswith(".pyc") and "__pycache__" not in path}
    assert ours == {str(staging / name) for name in names}


def test_the_same_package_gives_the_same_bytes(tmp_path: Path) -> None:
    source = as_ova(tmp_path)
    convert(source)
    said = rehost("convert", source, "--to", "qemu", "-o", tmp_path / "again")
    assert said.code == 0
    for name in ("web-disk1.qcow2", "web.sh"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize(
    ("controller", "adapter"),
    [
        (Controller(Bus.SCSI, 0, ControllerModel.LSILOGIC), "lsilogic"),
        (Controller(Bus.SCSI, 0, ControllerModel.BUSLOGIC), "buslogic"),
        (Controller(Bus.SCSI, 0, ControllerModel.PVSCSI), "lsilogic"),
        (Controller(Bus.SATA, 0), "lsilogic"),
        (Controller(Bus.IDE, 0), "ide"),
    ],
)
def test_the_adapter_type_of_a_vmdk_follows_the_controller(
    controller: Controller, adapter: str
) -> None:
    disk = Disk(Address(controller.bus, 0, 0), 1 << 20, "web.vmdk")
    machine = Machine("web", Origin("ovf", "web.ovf"), controllers=(controller,), disks=(disk,))
    for name, options in (("vmdk", {"adapter_type": adapter}), ("qcow2", {})):
        made = Item("web.vmdk", Blank(1 << 20), 1 << 20, format_named(name))
        assert adapted(made, machine).options == options
    assert adapted(replace(made, name="other.vmdk"), machine).options == {}


def test_a_vmdk_is_made_for_the_controller_of_the_planned_machine(tmp_path: Path) -> None:
    out = convert(ova(tmp_path, members(tmp_path)), "--disk-format", "vmdk")
    script = (out / "web.sh").read_text()
    [layer] = json.loads(rehost("disk", "info", out / "web-disk1.vmdk", "--json").out)["chain"]
    assert layer["ddb.adapterType"] == ("ide" if "ide-hd" in script else "lsilogic")
