"""Disk images that name files of the host, and what is opened while they are read.

What Python opens, connects to or starts while a case is read, mapped and checked is recorded.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from converters.disks.health import check_image
from converters.disks.image import Image, chain, read
from converters.disks.locate import located, open_source
from converters.disks.registry import format_of, formats
from converters.disks.survey import stretches_of
from rehost.errors import InteropError
from tests.support import hdds, vhds, vhdxs, vmdks
from tests.support.images import KIB, MIB

SECRET = b"the host's secret"
TRUST = "A package may only use files beside it; do not trust this one."
GUESS = "A format is never guessed here. Convert it where it was made: qemu-img convert -O qcow2."
SECTORS = 128
PACKAGE = "package"
OPENING = {"open", "os.listdir", "os.scandir", "os.readlink"}
OTHERS = {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "os.system"}


class Recorder:
    """Remembers what Python's audit events say while it is on."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] | None = None
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.events is not None and event in OPENING | OTHERS:
            what = arguments[0]
            named = os.fsdecode(what) if isinstance(what, str | bytes | os.PathLike) else repr(what)
            self.events.append((event, named))

    @contextmanager
    def on(self) -> Iterator[list[tuple[str, str]]]:
        """Record while the block runs."""
        found: list[tuple[str, str]] = []
        self.events = found
        try:
            yield found
        finally:
            self.events = None


RECORDER = Recorder()


def outside(folder: Path, heard: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what was opened anywhere but in a folder, links resolved, and all that is no file."""
    return [
        (event, name)
        for event, name in heard
        if event in OTHERS or not Path(name).resolve().is_relative_to(folder)
    ]


def used(source: Path, *, format_name: str | None = None) -> Image:
    """Do what info, map, check and convert do with an image."""
    found = located(str(source))
    known = next((each for each in formats() if each.name == format_name), None)
    check_image(found.file, found.gate, known or format_of(found.file))
    image = open_source(str(source), format=format_name)
    list(stretches_of(image))
    for layer in chain(image):
        read(layer, 0, layer.size)
    return image


def outcome(source: Path, *, format_name: str | None = None) -> tuple[str, str, int]:
    """Return an image's refusal, its hint and its exit code; or its format, and zero."""
    try:
        image = used(source, format_name=format_name)
    except InteropError as error:
        return str(error), error.hint, error.exit_code
    assert SECRET not in read(image, 0, image.size)
    return image.facts.format, "", 0


def in_package(tmp_path: Path) -> Path:
    """Return an empty folder with a secret beside it, in every form that could be read."""
    for name in ("secret", "secret.raw", "secret.vmdk", "secret.vhd", "secret.vhdx", "secret.hds"):
        (tmp_path / name).write_bytes(SECRET.ljust(SECTORS * 512, b"!"))
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "link").symlink_to("../secret")
    (folder / "link.raw").symlink_to("../secret.raw")
    (folder / "folder").symlink_to("..")
    return folder


def told(folder: Path, source: Path, **asked: str) -> tuple[str, str, int]:
    """Return a case's outcome, nothing outside its folder having been opened."""
    first = outcome(source, **asked)  # what is imported late is imported now
    with RECORDER.on() as heard:
        again = outcome(source, **asked)
    assert outside(folder, heard) == []
    assert again == first
    return first


def extended(magic: int, text: str) -> bytes:
    """Return a header extension of qcow2."""
    raw = text.encode()
    return struct.pack(">II", magic, len(raw)) + raw + bytes(-len(raw) % 8)


def qcow2(name: str = "", kind: str = "raw", data_file: str = "") -> bytes:
    """Return an empty qcow2 with a backing file, an external data file, or neither."""
    more = extended(0xE279_2ACA, kind) if kind and name else b""
    more += extended(0x4441_5441, data_file) if data_file else b""
    more += bytes(8)
    at = 104 + len(more) if name else 0
    features = 4 if data_file else 0
    basic = (b"QFI\xfb", 3, at, len(name.encode()), 16, SECTORS * 512, 0, 1, 3 << 16, 1 << 16, 1)
    head = struct.pack(">4sIQIIQIIQQI", *basic) + struct.pack(
        ">IQQQQII", 0, 0, features, 0, 0, 4, 104
    )
    counts = struct.pack(">Q", 2 << 16).ljust(1 << 16, b"\0") + b"\0\1" * 4
    l1 = struct.pack(">Q", 4 << 16 | 1 << 63) if data_file else b""
    l2 = struct.pack(">Q", 1 << 63) if data_file else b""
    front = (head + more + name.encode()).ljust(1 << 16, b"\0") + counts
    return (front.ljust(3 << 16, b"\0") + l1).ljust(4 << 16, b"\0") + l2.ljust(1 << 16, b"\0")


def qcow(name: str) -> bytes:
    """Return an empty qcow with a backing file."""
    fields = (b"QFI\xfb", 1, 48, len(name.encode()), 0, SECTORS * 512, 9, 12, 0, 1024)
    return (struct.pack(">4sIQIIQBBHIQ", *fields[:9], 0, fields[9])[:48] + name.encode()).ljust(
        4 * KIB, b"\0"
    )


def qed(name: str, *, raw: bool = True) -> bytes:
    """Return an empty QED with a backing file."""
    features = 1 | (4 if raw else 0)
    fields = (b"QED\0", 4096, 1, 1, features, 0, 0, 4096, SECTORS * 512, 64, len(name.encode()))
    return (struct.pack("<4sIIIQQQQQII", *fields) + name.encode()).ljust(8 * KIB, b"\0")


def vmdk(name: str, kind: str = "FLAT") -> bytes:
    """Return a descriptor with one extent."""
    create = {"FLAT": "monolithicFlat", "VMFS": "vmfs"}.get(kind, "custom")
    tail = " 0" if kind == "FLAT" else ""
    return vmdks.descriptor(create, f'RW {SECTORS} {kind} "{name}"{tail}').encode()


def vmdk_child(name: str) -> bytes:
    """Return the descriptor of a delta disk above another."""
    extent = f"RW {SECTORS} ZERO"
    return vmdks.descriptor("custom", extent, parent=f"12345678 {name}").encode()


def vhd_child(name: str, platform: bytes = b"W2ru") -> bytes:
    """Return a VHD that stores differences to another."""
    text = name.encode() if platform == b"MacX" else name.encode("utf-16-le")
    locators = {platform: text}
    kind, parent = vhds.DIFFERENCING, vhds.PARENT
    return vhds.Growing(SECTORS * 512, kind=kind, locators=locators, parent=parent).packed()


def vhdx_child(name: str, key: str = "relative_path") -> bytes:
    """Return a VHDX that stores differences to another."""
    locator = {key: name, "parent_linkage": f"{{{vhdxs.DATA_GUID}}}"}
    return vhdxs.Layout(4 * MIB, locator=locator).built()


def parallels(name: str, kind: str = "Plain") -> bytes:
    """Return the descriptor of a Parallels disk with one image."""
    image = hdds.Image(hdds.TOP, name, kind)
    return hdds.described(SECTORS, [hdds.Storage(0, SECTORS, [image])]).encode()


CARRIERS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "qcow2 backing file": ("a.qcow2", qcow2),
    "qcow2 data file": ("a.qcow2", lambda name: qcow2(data_file=name)),
    "QED backing file": ("a.qed", qed),
    "VMDK flat extent": ("a.vmdk", vmdk),
    "VMDK sparse extent": ("a.vmdk", lambda name: vmdk(name, "SPARSE")),
    "VMDK vmfs extent": ("a.vmdk", lambda name: vmdk(name, "VMFS")),
    "VMDK seSparse extent": ("a.vmdk", lambda name: vmdk(name, "SESPARSE")),
    "Parallels plain image": ("DiskDescriptor.xml", parallels),
    "Parallels expanding image": (
        "DiskDescriptor.xml",
        lambda name: parallels(name, "Compressed"),
    ),
    "VHDX parent": ("a.vhdx", vhdx_child),
}
LINKS = "Replace the link by the file it stands for, if you trust it."
OUTSIDE = "names a file outside its own folder ({name!r})"
LINK = "names a symbolic link ({name!r})"
MISSING = "names a file that does not exist ({name!r})"
NAMES: dict[str, tuple[str, str, int]] = {
    "/etc/passwd": (OUTSIDE, TRUST, 6),
    "../secret": (OUTSIDE, TRUST, 6),
    "sub/../../secret": (OUTSIDE, TRUST, 6),
    "..\\secret": (OUTSIDE, TRUST, 6),
    "link": (LINK, LINKS, 6),
    "folder/secret": (LINK, LINKS, 6),
    "/proc/self/environ": (OUTSIDE, TRUST, 6),
    "/proc/self/fd/0": (OUTSIDE, TRUST, 6),
    "file:../secret": (OUTSIDE, TRUST, 6),
    "file:///etc/passwd": (OUTSIDE, TRUST, 6),
    "host_device:/dev/sda": (OUTSIDE, TRUST, 6),
    "nbd:127.0.0.1:10809": (OUTSIDE, TRUST, 6),
    "nbd:unix:/run/nbd.sock": (OUTSIDE, TRUST, 6),
    "nbd://127.0.0.1:10809/disk": (OUTSIDE, TRUST, 6),
    "http://127.0.0.1:1/disk.raw": (OUTSIDE, TRUST, 6),
    "ssh://root@127.0.0.1/etc/passwd": (OUTSIDE, TRUST, 6),
    "rbd:pool/disk": (OUTSIDE, TRUST, 6),
    "fat:rw:/etc": (OUTSIDE, TRUST, 6),
    "blkdebug::../secret": (OUTSIDE, TRUST, 6),
    "blkverify:../secret:../secret": (OUTSIDE, TRUST, 6),
    "\\\\server\\share\\disk": (OUTSIDE, TRUST, 6),
    "C:\\secret": (OUTSIDE, TRUST, 6),
    # A plain name to us, whatever it means to others.
    "fdset0": (MISSING, "", 3),
    "secret": (MISSING, "", 3),
}
QUOTED = {
    'json:{"driver":"file","filename":"../secret"}': (OUTSIDE, TRUST, 6),
    'json:{"driver":"raw","file":{"driver":"nbd","host":"127.0.0.1"}}': (OUTSIDE, TRUST, 6),
}
DEVICES = {"/dev/sda": "", "/dev/fdset/0": "", "\\\\.\\PhysicalDrive0": "", "//./sda": ""}


def guest_disk(header: bytes) -> bytes:
    """Return a raw disk at whose start the guest wrote an image's header."""
    return header.ljust(MIB, b"\0")
