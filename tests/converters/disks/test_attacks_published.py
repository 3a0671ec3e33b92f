"""Attacks by disk images, by who published them: each is a case, none opens a file of the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import dmgs, vdis
from tests.support.attacks import (
    GUESS,
    LINK,
    LINKS,
    MISSING,
    OUTSIDE,
    SECRET,
    SECTORS,
    TRUST,
    extended,
    guest_disk,
    in_package,
    parallels,
    qcow,
    qcow2,
    qed,
    told,
    vhd_child,
    vhdx_child,
    vmdk,
    vmdk_child,
)
from tests.support.images import KIB


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return in_package(tmp_path)


@dataclass(frozen=True, slots=True)
class Case:
    """An attack: who published it, the files of the package, and what is said.

    It is said of the first file, or of the one that ``where`` names, or of a place in the first.
    """

    about: str
    files: dict[str, bytes]
    said: str
    hint: str = ""
    code: int = 0
    format: str | None = None
    where: str = ""

    def __str__(self) -> str:
        return self.about


def entity(document: bytes, declaration: str, use: str, place: bytes) -> bytes:
    """Return a document that declares entities, and uses one in ``place``."""
    root = document.index(b"<", document.index(b"?>") + 2)
    head, body = document[:root], document[root:]
    body = re.sub(rb"<!DOCTYPE[^>]*>", b"", body).replace(place, use.encode(), 1)
    return head + f"<!DOCTYPE x [{declaration}]>".encode() + body


LAUGHS = "<!ENTITY a 'haha'>" + "".join(
    f"<!ENTITY {name} '{f'&{before};' * 10}'>"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
XXE = '<!ENTITY e SYSTEM "file:///etc/passwd">'
PARAMETER = '<!ENTITY % e SYSTEM "http://127.0.0.1:1/x.dtd"> %e;'
PLIST = dmgs.listed([dmgs.mish(0, [dmgs.chunk(dmgs.ZEROS, bytes(512))], 0)])


def dmg(listing: bytes) -> bytes:
    """Return a DMG with any property list."""
    return listing + dmgs.koly(512, (0, 0), listing=(0, len(listing)))


def xml_cases() -> Iterator[Case]:
    """Yield entities in each kind of XML that is read."""
    for what, declaration, use, name in (
        ("XXE", XXE, "&e;", "e"),
        ("billion laughs", LAUGHS, "&i;", "a"),
        ("XXE by parameter entity", PARAMETER, "", "e"),
    ):
        said = f"the XML declares an entity ('{name}'), which is not allowed"
        hdd = entity(parallels("x.hds"), declaration, use, b"x.hds")
        yield Case(f"{what}, Parallels", {"DiskDescriptor.xml": hdd}, said, "", 6)
        files = {"a.dmg": dmg(entity(PLIST, declaration, use, b"part 0"))}
        yield Case(f"{what}, DMG", files, said, "", 6, where=" at 0")


DEVICE = "is a VMDK that stands for a physical disk and holds none of it ({kind} of {name!r})"
ATTACHED = "Make an image of that disk itself, where it is attached."
AMEND = "A file is never guessed here; set it: qemu-img amend -o data_file=FILE."
REBASE = "A format is never guessed here; set it: qemu-img rebase -u -F FORMAT -b FILE."
OWN = vdis.Vdi(32 * KIB, kind=vdis.DIFFERENCING, parent=vdis.BASE, identifier=vdis.CHILD)
PHYSICAL = "\\\\.\\PhysicalDrive0"

CASES = [
    Case(
        "CVE-2008-2004: a guest writes a qcow2 header to its raw disk, told to be raw",
        {"a.raw": guest_disk(qcow2("/etc/passwd"))},
        "raw",
        format="raw",
    ),
    Case(
        "CVE-2008-2004: the same, its format not told",
        {"a.raw": guest_disk(qcow2("/etc/passwd"))},
        OUTSIDE.format(name="/etc/passwd"),
        TRUST,
        6,
    ),
    Case(
        "CVE-2015-1851, OSSA-2015-011: a volume to whose start a guest wrote a header",
        {"volume": guest_disk(qcow2("/etc/passwd"))},
        OUTSIDE.format(name="/etc/passwd"),
        TRUST,
        6,
    ),
    Case(
        "a volume with a VMDK descriptor at its start",
        {"volume": guest_disk(vmdk("/etc/passwd"))},
        OUTSIDE.format(name="/etc/passwd"),
        TRUST,
        6,
    ),
    Case(
        "the same volume told to be raw",
        {"volume": guest_disk(vmdk("/etc/passwd"))},
        "raw",
        format="raw",
    ),
    Case(
        "CVE-2015-5163, OSSA-2015-014: an imported qcow2 with a backing file",
        {"a.img": qcow2("/etc/passwd")},
        OUTSIDE.format(name="/etc/passwd"),
        TRUST,
        6,
    ),
    Case(
        "CVE-2022-47951, OSSA-2023-002: a flat extent that is a file of the host",
        {"a.vmdk": vmdk("/etc/passwd")},
        OUTSIDE.format(name="/etc/passwd"),
        TRUST,
        6,
    ),
    Case(
        "CVE-2024-32498, OSSA-2024-001: an external data file that is a file of the host",
        {"a.qcow2": qcow2(data_file="/etc/passwd")},
        OUTSIDE.format(name="/etc/passwd"),
        TRUST,
        6,
    ),
    Case(
        "CVE-2024-4467: an external data file by a json: name",
        {"a.qcow2": qcow2(data_file='json:{"driver":"file","filename":"/dev/zero"}')},
        OUTSIDE.format(name='json:{"driver":"file","filename":"/dev/zero"}'),
        TRUST,
        6,
    ),
    Case(
        "CVE-2024-44082: an image with a data file, whatever it is called",
        {"a.vhd.qcow2": qcow2(data_file="../secret")},
        OUTSIDE.format(name="../secret"),
        TRUST,
        6,
    ),
    Case(
        "CVE-2026-24708: a qcow2 header in a raw disk that is to be resized",
        {"disk": guest_disk(qcow2(data_file="/etc/passwd"))},
        "raw",
        format="raw",
    ),
    Case(
        "an external data file without a name",
        {"a.qcow2": qcow2(data_file="x").replace(extended(0x4441_5441, "x"), bytes(16))},
        "keeps its data in another file, but does not say in which",
        AMEND,
        6,
    ),
    Case(
        "a backing file whose format would have to be guessed, and is a header by a guest",
        {"a.qcow2": qcow2("base.raw", kind=""), "base.raw": guest_disk(qcow2("/etc/passwd"))},
        "does not say which format its backing file has ('base.raw')",
        REBASE,
        6,
    ),
    Case(
        "a raw backing file with a header by a guest is raw",
        {"a.qcow2": qcow2("base.raw"), "base.raw": guest_disk(qcow2("/etc/passwd"))},
        "qcow2",
    ),
    Case(
        "a flat extent with a header by a guest is flat",
        {"a.vmdk": vmdk("flat.vmdk"), "flat.vmdk": guest_disk(qcow2("/etc/passwd"))},
        "vmdk",
    ),
    Case(
        "a flat extent that is itself a descriptor is flat",
        {"a.vmdk": vmdk("flat.vmdk"), "flat.vmdk": vmdk("/etc/passwd").ljust(SECTORS * 512)},
        "vmdk",
    ),
    Case(
        "a sparse extent in another format",
        {"a.vmdk": vmdk("b.vmdk", "SPARSE"), "b.vmdk": qcow2("/etc/passwd")},
        "no VMDK header (found b'QFI\\xfb')",
        "",
        3,
        where="b.vmdk",
    ),
    Case(
        "a plain image of Parallels with a header by a guest is plain",
        {"DiskDescriptor.xml": parallels("b"), "b": guest_disk(qcow2("/etc/passwd"))},
        "parallels",
    ),
    Case(
        "a backing file in a protocol for a format",
        {"a.qcow2": qcow2("base.raw", kind="nbd"), "base.raw": bytes(512)},
        "the image below it has a format that is not read ('nbd')",
        "",
        4,
    ),
    Case(
        "qcow: a backing file of the host",
        {"a.qcow": qcow("/etc/passwd")},
        "does not say which format its backing file has, nor does that file's name ('/etc/passwd')",
        GUESS,
        6,
    ),
    Case(
        "qcow: a backing file outside",
        {"a.qcow": qcow("../secret.raw")},
        OUTSIDE.format(name="../secret.raw"),
        TRUST,
        6,
    ),
    Case("qcow: a link", {"a.qcow": qcow("link.raw")}, LINK.format(name="link.raw"), LINKS, 6),
    Case(
        "qcow: a name that says raw of what a guest made a qcow2",
        {"a.qcow": qcow("base.raw"), "base.raw": guest_disk(qcow2("/etc/passwd"))},
        "has a backing file whose name and content disagree on its format "
        "('base.raw' is in qcow2, its name says raw)",
        GUESS,
        6,
    ),
    Case(
        "QED: a backing file outside, its format not told",
        {"a.qed": qed("../secret.raw", raw=False)},
        OUTSIDE.format(name="../secret.raw"),
        TRUST,
        6,
    ),
    Case(
        "VMDK: a device of Linux",
        {"a.vmdk": vmdk("/dev/sda")},
        DEVICE.format(kind="monolithicFlat", name="/dev/sda"),
        ATTACHED,
        4,
    ),
    Case(
        "VMDK: a device of Windows",
        {"a.vmdk": vmdk(PHYSICAL)},
        DEVICE.format(kind="monolithicFlat", name=PHYSICAL),
        ATTACHED,
        4,
    ),
    Case(
        "VMDK: a parentFileNameHint outside whose last part lies nowhere",
        {"a.vmdk": vmdk_child("../secret.vmdk")},
        OUTSIDE.format(name="../secret.vmdk"),
        TRUST,
        6,
    ),
    Case(
        "VMDK: a parentFileNameHint from the root",
        {"a.vmdk": vmdk_child("/vmfs/volumes/x/secret.vmdk")},
        OUTSIDE.format(name="/vmfs/volumes/x/secret.vmdk"),
        TRUST,
        6,
    ),
    Case(
        "VHD: a relative locator that leads outside",
        {"a.vhd": vhd_child("..\\secret.vhd")},
        OUTSIDE.format(name="..\\secret.vhd"),
        TRUST,
        6,
    ),
    Case(
        "VHD: an absolute locator",
        {"a.vhd": vhd_child("C:\\disks\\secret.vhd", b"W2ku")},
        MISSING.format(name="secret.vhd"),
        "",
        3,
    ),
    Case(
        "VHD: a locator with a share of the network",
        {"a.vhd": vhd_child("\\\\127.0.0.1\\share\\secret.vhd")},
        OUTSIDE.format(name="\\\\127.0.0.1\\share\\secret.vhd"),
        TRUST,
        6,
    ),
    Case(
        "VHD: a locator with a device",
        {"a.vhd": vhd_child("\\\\.\\PhysicalDrive0")},
        OUTSIDE.format(name="\\\\.\\PhysicalDrive0"),
        TRUST,
        6,
    ),
    Case(
        "VHD: a locator that is a URL of a file",
        {"a.vhd": vhd_child("file:///etc/passwd", b"MacX")},
        "stores only differences, but does not name the disk below it",
        "",
        3,
    ),
    Case(
        "VHDX: a locator with an absolute path alone",
        {"a.vhdx": vhdx_child("C:\\secret.vhdx", "absolute_win32_path")},
        "does not name its parent by a relative path",
        "Put the parent beside it, then set its path: Set-VHD -ParentPath.",
        6,
    ),
    Case(
        "VHDX: a locator with a volume path alone",
        {"a.vhdx": vhdx_child("\\\\?\\Volume{1}\\secret.vhdx", "volume_path")},
        "does not name its parent by a relative path",
        "Put the parent beside it, then set its path: Set-VHD -ParentPath.",
        6,
    ),
    Case(
        "VDI: its parent is a link beside it",
        {"a.vdi": OWN.packed()},
        "stores only differences to another VDI (00000000-0000-0000-0000-00000000000b), "
        "which is not beside it",
        "Put the disk it was made from into the same folder, under any name.",
        3,
    ),
    *xml_cases(),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_published_attack_opens_nothing_of_the_host(package: Path, case: Case) -> None:
    (package.parent / "parent.vdi").write_bytes(vdis.Vdi(32 * KIB, {0: SECRET}).packed())
    (package / "link.vdi").symlink_to("../parent.vdi")
    for name, content in case.files.items():
        (package / name).write_bytes(content)
    source = package / next(iter(case.files))
    place = package / case.where if case.where[:1].strip() else f"{source}{case.where}"
    said = f"{place}: {case.said}" if case.code else case.said
    asked = {"format_name": case.format} if case.format else {}
    assert told(package, source, **asked) == (said, case.hint, case.code)
