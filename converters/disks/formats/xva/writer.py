"""Writing a disk as XenServer and XCP-ng export it: a tar that is a stream from end to end.

A chunk of 1 MiB is a member, and its checksum the next one. Chunks of zeros are left out, but the
first and the last never, for they say where the disk begins and ends.

Source: xapi-project/xen-api, ocaml/xapi/stream_vdi.ml and export.ml; POSIX ustar.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from converters.disks.formats.xva.checksum import SUFFIXES, Kind, digest_of, require_xxhash
from converters.disks.formats.xva.index import DESCRIPTION, padded
from converters.disks.formats.xva.options import CHECKSUM
from converters.disks.image import LARGEST_DISK, SECTOR
from converters.disks.output import Output
from converters.disks.registry import Shape
from rehost.errors import UsageError
from rehost.tar import END, header

CHUNK = 1 << 20
REF = "Ref:0"
SUFFIX = {kind: suffix.decode() for suffix, kind in SUFFIXES.items()}
VERSION = {
    "hostname": "localhost",
    "date": "1970-01-01",
    "product_version": "7.1.0",
    "product_brand": "XenServer",
    "build_number": "0",
    "xapi_major": "1",
    "xapi_minor": "9",
    "export_vsn": "2",
}


class XvaWriter:
    """One disk of an XVA, whose description is ``head``: without one, that of a disk alone.

    Several disks share a file when each begins ``at`` the ``end`` of the one before, and only the
    last one ``closes`` it.
    """

    unit = CHUNK

    def __init__(
        self,
        output: Output,
        shape: Shape,
        *,
        ref: str = REF,
        head: bytes | None = None,
        at: int = 0,
        closes: bool = True,
    ) -> None:
        if shape.size > LARGEST_DISK:
            raise UsageError(f"an XVA disk is too large (it has {shape.size} bytes)")
        self._output = output
        self._ref = ref
        self._size = -(-shape.size // SECTOR) * SECTOR
        self._kind = Kind[shape.option(CHECKSUM).upper()]
        if self._kind is Kind.XXHASH:
            require_xxhash()
        self._closes = closes
        self._next = 0
        self.end = at
        if at == 0:
            text = description(ref, self._size) if head is None else head
            self._write(member(DESCRIPTION.decode(), text))

    def pack(self, start: int, block: memoryview) -> bytes:
        """Return a chunk and its checksum, as two members of the tar."""
        content: bytes | memoryview = block
        if len(block) % SECTOR:
            content = bytes(block).ljust(-(-len(block) // SECTOR) * SECTOR, b"\0")
        name = f"{self._ref}/{start // CHUNK:08d}"
        said = digest_of(self._kind, content).encode()
        return b"".join((*_parts(name, content), *_parts(name + SUFFIX[self._kind], said)))

    def append(self, start: int, packed: memoryview) -> int:
        """Give a chunk the next place, behind the first one of all if that holds nothing."""
        if start and not self._next:
            self._write_zeros(0)
        return self._take(start, len(packed))

    def finish(self) -> None:
        """Write the last chunk if it was left out, and the end of the archive."""
        if not self._next:
            self._write_zeros(0)
        if self._next < self._size:
            self._write_zeros((self._size - 1) // CHUNK * CHUNK)
        if self._closes:
            self._write(END)

    def _write_zeros(self, start: int) -> None:
        packed = self.pack(start, memoryview(bytes(min(CHUNK, self._size - start))))
        self._output.write(packed, self._take(start, len(packed)))

    def _take(self, start: int, length: int) -> int:
        at, self.end, self._next = self.end, self.end + length, start + CHUNK
        return at

    def _write(self, content: bytes) -> None:
        self._output.write(content, self.end)
        self.end += len(content)


def member(name: str, content: bytes | memoryview) -> bytes:
    """Return a regular file of a tar."""
    return b"".join(_parts(name, content))


def _parts(name: str, content: bytes | memoryview) -> tuple[bytes, bytes | memoryview, bytes]:
    """Return the header of a file, its content, and zeros up to a whole block."""
    return header(name, len(content)), content, bytes(padded(len(content)) - len(content))


def description(ref: str, size: int) -> bytes:
    """Return an ``ova.xml`` that knows one disk and no machine."""
    disk = {"uuid": "", "virtual_size": str(size), "type": "user", "parent": "OpaqueRef:NULL"}
    known = {"class": "VDI", "id": ref}
    parts = "".join(_pair(name, _text(value)) for name, value in known.items())
    object_ = f"<value><struct>{parts}{_pair('snapshot', _struct(disk))}</struct></value>"
    objects = f"<value><array><data>{object_}</data></array></value>"
    both = _pair("version", _struct(VERSION)) + _pair("objects", objects)
    return f"<?xml version='1.0' encoding='UTF-8'?><value><struct>{both}</struct></value>".encode()


def _struct(values: dict[str, str]) -> str:
    pairs = "".join(_pair(name, _text(value)) for name, value in values.items())
    return f"<value><struct>{pairs}</struct></value>"


def _text(value: str) -> str:
    return f"<value>{escape(value)}</value>"


def _pair(name: str, value: str) -> str:
    return f"<member><name>{name}</name>{value}</member>"
