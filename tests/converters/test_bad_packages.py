"""Every bad package ends in its one line, its hint and its exit code, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ovf.builders import SCSI, item, manifest, pack
from tests.support.packages import CPU, DISK, MEMORY, SIZE, members, ova, rehost, web

CAPACITY = "Correct the capacity, or pass --trust-disk-size to go by the disk."
UNTRUSTED = "A package may only use files beside it; do not trust this one."
UNPACK = "Do not unpack this archive anywhere; ask its maker for another."
DOCTYPE = "Descriptors need none, and its entities could read files; remove the line."
BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]>
<Envelope>&lol3;</Envelope>"""
EXTERNAL = b"""<?xml version="1.0"?>
<!DOCTYPE Envelope [<!ENTITY secret SYSTEM "file:///etc/passwd">]>
<Envelope>&secret;</Envelope>"""

Bad = tuple[Path, int, str, str]


def converted(source: Path, *options: str) -> tuple[int, str]:
    """Convert a package, which must leave nothing, and return what a user sees of it."""
    folder = source.parent
    said = rehost("convert", source, "--to", "libvirt", "-o", folder / "out", *options)
    assert not (folder / "out").exists()
    assert said.out == ""
    return said.code, said.err.replace(f"{folder}/", "")


def a_missing_member(folder: Path) -> Bad:
    parts = members(folder)
    del parts["disk.vmdk"]
    return (
        pack(folder / "web.ova", parts),
        3,
        "web.ova!web.ovf:3: names a file that is not in the package ('disk.vmdk')",
        "Put the file beside the descriptor, or fetch the package again.",
    )


def a_digest_that_differs(folder: Path) -> Bad:
    parts = members(folder)
    is_now, should_be = (hashlib.sha256(each).hexdigest() for each in (parts["disk.vmdk"], b"x"))
    return (
        ova(folder, parts, manifest({**parts, "disk.vmdk": b"x"})),
        7,
        f"web.ova!disk.vmdk: SHA256 digest differs from the manifest (is {is_now}, "
        f"should be {should_be})",
        "The file was changed or damaged on its way; fetch it again.",
    )


def an_unreadable_manifest_line(folder: Path) -> Bad:
    return (
        ova(folder, members(folder), b"SHA256(web.ovf) ???\n"),
        3,
        "web.ova!web.mf:1: manifest line cannot be read ('SHA256(web.ovf) ???')",
        "A line is 'SHA256(name)= digest', with SHA1, SHA256, SHA384 or SHA512.",
    )


def a_member_missing_from_the_manifest(folder: Path) -> Bad:
    parts = members(folder)
    return (
        ova(folder, parts, manifest({"web.ovf": parts["web.ovf"]})),
        3,
        "web.ova!web.ovf:3: referenced file is not in the manifest ('disk.vmdk')",
        "Pass --skip-manifest to convert it all the same.",
    )


def a_truncated_ova(folder: Path) -> Bad:
    parts = members(folder)
    source = ova(folder, parts)
    with tarfile.open(source) as archive:
        place = archive.getmember("disk.vmdk").offset_data
    os.truncate(source, place + len(parts["disk.vmdk"]) - 1000)
    return (
        source,
        3,
        "web.ova: is cut short in member 'disk.vmdk' (1000 bytes are missing)",
        "Copy or download it again.",
    )


def a_truncated_vmdk(folder: Path) -> Bad:
    parts = members(folder)
    parts["disk.vmdk"] = parts["disk.vmdk"][: 256 << 10]
    source = ova(folder, parts)
    farthest = _farthest_grain(folder / "disk.vmdk")
    return (
        source,
        3,
        f"web.ova!disk.vmdk: the VMDK is cut short (a grain lies at {farthest}, "
        "the file ends at 262144)",
        "Copy the file again.",
    )


def _farthest_grain(path: Path) -> int:
    """Find the last grain of a one-table stream by its tables, read as libvmdk describes them."""
    raw = path.read_bytes()
    directory = int.from_bytes(raw[56:64], "little") * 512
    table = int.from_bytes(raw[directory : directory + 4], "little") * 512
    entries = (raw[table + 4 * number : table + 4 * number + 4] for number in range(512))
    return max(int.from_bytes(entry, "little") for entry in entries) * 512


def _an_extent_outside(folder: Path, name: str) -> Bad:
    parts = members(folder)
    lines = ("# Disk DescriptorFile", "version=1", "CID=1", "parentCID=ffffffff")
    extent = ('createType="monolithicFlat"', f'RW {SIZE // 512} FLAT "{name}" 0', "")
    parts["disk.vmdk"] = "\n".join((*lines, *extent)).encode()
    what = f"web.ova!disk.vmdk: names a file outside its own folder ('{name}')"
    return ova(folder, parts), 6, what, UNTRUSTED


def an_extent_named_by_an_absolute_path(folder: Path) -> Bad:
    return _an_extent_outside(folder, "/etc/passwd")


def an_extent_in_the_folder_above(folder: Path) -> Bad:
    return _an_extent_outside(folder, "../x")


def a_backing_file_outside(folder: Path) -> Bad:
    parts = members(folder)
    overlay = ("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw")
    subprocess.run([*overlay, folder / "overlay.qcow2", str(SIZE)], check=True)
    parts["disk.vmdk"] = (folder / "overlay.qcow2").read_bytes()
    what = "web.ova!disk.vmdk: names a file outside its own folder ('/etc/passwd')"
    return ova(folder, parts), 6, what, UNTRUSTED


def _a_member(folder: Path, entry: tarfile.TarInfo, what: str, content: bytes = b"") -> Bad:
    source = pack(folder / "web.ova", members(folder))
    entry.size = len(content)
    with tarfile.open(source, "a") as archive:
        place = archive.offset
        archive.addfile(entry, io.BytesIO(content))
    return source, 6, f"web.ova at {place}: {what}", UNPACK


def _entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def a_member_above_the_archive(folder: Path) -> Bad:
    return _a_member(folder, _entry("../x"), "holds a member that leads outside it ('../x')")


def a_member_with_an_absolute_name(folder: Path) -> Bad:
    return _a_member(folder, _entry("/abs"), "holds a member with an absolute name ('/abs')")


def a_symbolic_link(folder: Path) -> Bad:
    link = _entry("link", tarfile.SYMTYPE, "/etc/passwd")
    return _a_member(folder, link, "holds a symbolic link ('link')")


def a_hard_link(folder: Path) -> Bad:
    link = _entry("link", tarfile.LNKTYPE, "web.ovf")
    return _a_member(folder, link, "holds a hard link ('link')")


def a_device(folder: Path) -> Bad:
    return _a_member(folder, _entry("dev", tarfile.CHRTYPE), "holds a character device ('dev')")


def the_same_name_twice(folder: Path) -> Bad:
    what = "holds the same name twice ('disk.vmdk')"
    return _a_member(folder, _entry("disk.vmdk"), what, b"other")


def a_bomb_of_entities(folder: Path) -> Bad:
    what = "web.ova!web.ovf:2: has a document type declaration"
    return ova(folder, members(folder, BOMB)), 6, what, DOCTYPE


def an_external_entity(folder: Path) -> Bad:
    what = "web.ova!web.ovf:2: has a document type declaration"
    return ova(folder, members(folder, EXTERNAL)), 6, what, DOCTYPE


def a_capacity_larger_than_the_disk(folder: Path) -> Bad:
    what = "web.ova!disk.vmdk: the disk has 8388608 bytes, its description says 16777216"
    return ova(folder, members(folder, web(capacity=2 * SIZE))), 3, what, CAPACITY


def a_capacity_smaller_than_the_disk(folder: Path) -> Bad:
    what = "web.ova!disk.vmdk: the disk has 8388608 bytes, its description says 4194304"
    return ova(folder, members(folder, web(capacity=SIZE // 2))), 3, what, CAPACITY


@pytest.mark.parametrize(
    "bad",
    [
        a_missing_member,
        a_digest_that_differs,
        an_unreadable_manifest_line,
        a_member_missing_from_the_manifest,
        a_truncated_ova,
        a_truncated_vmdk,
        an_extent_named_by_an_absolute_path,
        an_extent_in_the_folder_above,
        a_backing_file_outside,
        a_member_above_the_archive,
        a_member_with_an_absolute_name,
        a_symbolic_link,
        a_hard_link,
        a_device,
        the_same_name_twice,
        a_bomb_of_entities,
        an_external_entity,
        a_capacity_larger_than_the_disk,
        a_capacity_smaller_than_the_disk,
    ],
)
def test_a_bad_package_is_refused_in_its_own_words(
    tmp_path: Path, bad: Callable[[Path], Bad]
) -> None:
    source, code, what, hint = bad(tmp_path)
    assert converted(source) == (code, f"error: {what}\nhint: {hint}\n")


def test_an_unknown_resource_type_is_reported_and_not_fatal(tmp_path: Path) -> None:
    flux = item(ElementName="flux", InstanceID=9, ResourceType=99)
    source = ova(tmp_path, members(tmp_path, web(CPU, MEMORY, SCSI, DISK, flux)))
    said = rehost("convert", source, "--to", "libvirt", "-o", tmp_path / "out", "--json")
    assert said.code == 0
    assert said.err == ""
    assert "\"web.ovf:16 Item 'flux' (ResourceType 99)\"" in said.out


def test_a_wrong_capacity_can_be_overruled_and_is_reported(tmp_path: Path) -> None:
    source = ova(tmp_path, members(tmp_path, web(capacity=2 * SIZE)))
    out = tmp_path / "out"
    said = rehost("convert", source, "--to", "qemu", "-o", out, "--trust-disk-size", "--json")
    assert said.code == 0
    assert '"the disk itself has this size"' in said.out
    compare = ("qemu-img", "compare", tmp_path / "disk.raw", out / "web-disk1.qcow2")
    assert subprocess.run(compare, check=False, capture_output=True).returncode == 0


def test_a_manifest_can_be_left_unchecked(tmp_path: Path) -> None:
    parts = members(tmp_path)
    source = ova(tmp_path, parts, manifest({**parts, "disk.vmdk": b"x"}))
    said = rehost("convert", source, "--to", "qemu", "-o", tmp_path / "out", "--skip-manifest")
    assert said.code == 0
