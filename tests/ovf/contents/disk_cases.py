"""Packages whose disks are not what their descriptor says, and the words each rule has for it.

The images are qemu-img's, the ISO pycdlib's; only damage is done by hand.
"""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pycdlib

from tests.ovf.builders import STREAM, pack
from tests.support.images import Variant as Kind
from tests.support.images import converted, run
from tests.support.packages import MIB, raw_disk, web
from tests.support.streams import walked

Build = Callable[[Path], Path]
SIZE = 8 * MIB
GRAIN = 64 << 10
CUT = 200_000
VMWARE = "http://www.vmware.com/interfaces/specifications/vmdk.html"
VHD = "http://go.microsoft.com/fwlink/?LinkId=137171"
VHDX = "http://technet.microsoft.com/en-us/library/hh831446.aspx#monolithic_sparse"
QCOW2 = "http://www.gnome.org/~markmc/qcow-image-format.html"
RAW = "http://en.wikipedia.org/wiki/Byte"
ISO = "http://www.ecma-international.org/publications/standards/Ecma-119.htm"


@cache
def image(format_name: str, options: str = "", size: int = SIZE) -> bytes:
    """Return an image with scattered content, as qemu-img writes it."""
    with tempfile.TemporaryDirectory(prefix="rehost-test-") as name:
        raw = Path(name) / "disk.raw"
        if size < MIB:
            raw.write_bytes(bytes(range(256)) * (size >> 8))
        else:
            raw_disk(raw, size)
        if format_name == "raw":
            return raw.read_bytes()
        kind = Kind(format_name, format_name, options)
        return converted(raw, "raw", Path(name) / "disk", kind).read_bytes()


@cache
def stream(size: int = SIZE) -> bytes:
    """Return a stream-optimized VMDK of qemu-img's, cut off behind its end-of-stream marker."""
    padded = image("vmdk", "subformat=streamOptimized", size)
    return padded[: walked(padded).end]


@cache
def iso() -> bytes:
    """Return an ISO 9660 image with one file."""
    medium = pycdlib.PyCdlib()
    medium.new()
    medium.add_fp(io.BytesIO(b"hello"), 5, "/HELLO.TXT;1")
    written = io.BytesIO()
    medium.write_fp(written)
    medium.close()
    return written.getvalue()


def packed(disk: bytes, href: str = "disk.vmdk", **said: object) -> Build:
    """Return a builder of an OVA that says ``said`` of one disk."""
    return partial(_packed, href, disk, said)


def _packed(href: str, disk: bytes, said: dict[str, object], folder: Path) -> Path:
    text = web(href=href, **said)  # type: ignore[arg-type]
    return pack(folder / "x.ova", {"web.ovf": text, href: disk})


def cut_short() -> bytes:
    return stream()[:CUT]


def version_1() -> bytes:
    found = bytearray(stream())
    found[4] = 1
    return bytes(found)


def for_adapter(word: bytes) -> bytes:
    """Return a stream whose descriptor names another adapter, in the room it has."""
    found = stream()
    at = found.index(b'adapterType = "ide"')
    end = found.index(b"\0", at)
    said = found[at:end].replace(b'"ide"', b'"%s"' % word)
    return found[:at] + said + found[at + len(said) :]


def unclean() -> bytes:
    found = bytearray(image("vmdk", "subformat=monolithicSparse"))
    found[72] = 1
    return bytes(found)


def outside() -> bytes:
    """Return a qcow2 that names the password file of whoever opens it."""
    with tempfile.TemporaryDirectory(prefix="rehost-test-") as name:
        path = Path(name) / "disk.qcow2"
        backing = ("-u", "-b", "/etc/passwd", "-F", "raw")
        run("qemu-img", "create", "-q", "-f", "qcow2", *backing, path, str(MIB))
        return path.read_bytes()


STREAM_WALK = walked(stream())
POPULATED = len(STREAM_WALK.grains) * GRAIN
LAST = max(STREAM_WALK.places.values()) * 512
IS_CUT = f"the VMDK is cut short (a grain lies at {LAST}, the file ends at {CUT})"
TRAILING = len(image("vmdk", "subformat=streamOptimized")) - len(stream())
SPARSE = image("vmdk", "subformat=monolithicSparse")
AT = "x.ova!web.ovf:4: "
WRONG_FORMATS: list[tuple[Build, str]] = [
    (
        packed(SPARSE),
        AT + "error: ovf:format says vmdk streamOptimized, but 'disk.vmdk' is vmdk"
        " monolithicSparse",
    ),
    (
        packed(stream(), form=f"{VMWARE}#monolithicSparse"),
        AT + "error: ovf:format says vmdk monolithicSparse, but 'disk.vmdk' is vmdk"
        " streamOptimized",
    ),
    (
        packed(image("qcow2"), "disk.qcow2", form=VHD),
        AT + "error: ovf:format says vhd, but 'disk.qcow2' is qcow2 v3",
    ),
    (
        packed(image("raw"), "disk.img"),
        AT + "error: ovf:format says vmdk streamOptimized, but 'disk.img' is raw",
    ),
    (
        packed(iso(), "disk.iso", form=QCOW2, capacity=len(iso())),
        AT + "error: ovf:format says qcow2, but 'disk.iso' is iso",
    ),
    (
        packed(
            gzip.compress(image("qcow2")), "disk.gz", file_more='ovf:compression="gzip"', form=RAW
        ),
        AT + "error: ovf:format says raw, but 'disk.gz' is qcow2",
    ),
]
DISK_CASES: dict[str, list[tuple[Build, str]]] = {
    "DSK-012": WRONG_FORMATS,
    "DSK-013": [
        (
            packed(stream(), capacity=SIZE - 512),
            AT + f"error: ovf:capacity is {SIZE - 512} bytes, but the disk has {SIZE}",
        ),
        (
            packed(image("vhdx"), "disk.vhdx", capacity=1 << 30, form=VHDX),
            AT + f"error: ovf:capacity is {1 << 30} bytes, but the disk has {SIZE}",
        ),
    ],
    "DSK-014": [
        (
            packed(image("vmdk", "subformat=streamOptimized")),
            f"x.ova!disk.vmdk at {len(stream())}: warning: {TRAILING} bytes lie behind the"
            " end-of-stream marker",
        )
    ],
    "DSK-020": [
        (
            packed(b"no disk at all"),
            "x.ova!disk.vmdk: error: is no VMware VMDK, though its name says so"
            " (it begins b'no d')",
        ),
        (
            packed(b""),
            "x.ova!disk.vmdk: error: is no VMware VMDK, though its name says so (it begins b'')",
        ),
        (
            packed(cut_short()),
            f"x.ova!disk.vmdk: error: {IS_CUT}",
        ),
        (
            packed(outside(), "disk.qcow2", capacity=MIB, form=QCOW2),
            "x.ova!disk.qcow2: error: names a file outside its own folder ('/etc/passwd')",
        ),
        (
            packed(image("vmdk", "subformat=monolithicFlat"), form=f"{VMWARE}#monolithicFlat"),
            "x.ova!disk.vmdk: error: names a file that is not in the package ('disk-flat')",
        ),
        (
            packed(b"\x1f\x8bgarbage", "disk.gz", file_more='ovf:compression="gzip"'),
            "x.ova!disk.gz at 0: error: gzip stream is damaged"
            " (Error -3 while decompressing data: unknown compression method)",
        ),
    ],
    "DSK-021": [
        (
            packed(b"PK\3\4" + bytes(508), "disk.img"),
            "x.ova!disk.img: info: is in a format that is not read (ZIP)",
        )
    ],
    "DSK-022": [
        (
            packed(stream(), capacity=SIZE - 100),
            AT + f"warning: ovf:capacity is {SIZE - 100} bytes, but the disk has {SIZE}",
        )
    ],
    "DSK-024": [
        (
            packed(stream()[:-512]),
            "x.ova!disk.vmdk: warning: the stream has no end-of-stream marker",
        )
    ],
    "DSK-025": [
        (
            packed(version_1()),
            "x.ova!disk.vmdk: warning: the stream's header has version 1",
        )
    ],
    "DSK-026": [
        (
            packed(unclean(), form=f"{VMWARE}#monolithicSparse"),
            "x.ova!disk.vmdk: warning: it was not closed cleanly by what wrote to it last",
        )
    ],
}


def populated(size: int) -> Build:
    """Return a builder of a package that says how much of its disk is in use."""

    def build(folder: Path) -> Path:
        text = web().replace(b"<Disk ", f'<Disk ovf:populatedSize="{size}" '.encode())
        return pack(folder / "x.ova", {"web.ovf": text, "disk.vmdk": stream()})

    return build


DISK_CASES["DSK-027"] = [
    (
        packed(for_adapter(b"pvscsi")),
        "x.ova!disk.vmdk: info: the disk is said to be for an adapter 'pvscsi'",
    )
]
DISK_CASES["DSK-023"] = [
    (
        populated(20 * MIB),
        AT + f"info: ovf:populatedSize is {20 * MIB} bytes, but the file holds {POPULATED}",
    ),
    (
        populated(1000),
        AT + f"info: ovf:populatedSize is 1000 bytes, but the file holds {POPULATED}",
    ),
]
SOUND = {
    "vmdk stream": packed(stream()),
    "vmdk for another controller": packed(for_adapter(b"legacyESX")),
    "vmdk without a kind": packed(stream(), form=VMWARE),
    "vmdk of old": packed(stream(), form="http://www.vmware.com/specifications/vmdk.html#sparse"),
    "vmdk monolithicSparse": packed(SPARSE, form=f"{VMWARE}#monolithicSparse"),
    "vhd": packed(image("vpc", "force_size=on"), "disk.vhd", form=VHD),
    "vhd fixed": packed(
        image("vpc", "subformat=fixed,force_size=on"),
        "disk.vhd",
        form="http://technet.microsoft.com/en-us/virtualserver/bb676673.aspx#monolithic_flat",
    ),
    "vhdx": packed(image("vhdx"), "disk.vhdx", form=VHDX),
    "qcow2": packed(image("qcow2"), "disk.qcow2", form=QCOW2),
    "raw": packed(image("raw"), "disk.img", form=RAW),
    "iso as a disk": packed(iso(), "disk.iso", form=ISO, capacity=len(iso())),
    "iso as raw": packed(iso(), "disk.iso", form=RAW, capacity=len(iso())),
    "unknown uri": packed(stream(), form="http://example.com/format.html"),
    "gzip": packed(
        gzip.compress(stream()), "disk.vmdk.gz", file_more='ovf:compression="gzip"', form=STREAM
    ),
    "plausible populatedSize": populated(1 * MIB),
}
