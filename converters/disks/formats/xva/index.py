"""Where the chunks of the disks in an XVA lie.

An XVA is a tar: first ``ova.xml``, then for each disk members ``Ref:4/00000000`` of 1 MiB, each
followed by one with its checksum. Numbers that are missing are zeros. A disk of a TiB has a million
chunks, so the index is a few arrays, and a chunk costs one read of the headers behind it.

Source: xapi-project/xen-api, ocaml/xapi/stream_vdi.ml (what is written and accepted); POSIX ustar.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from converters.disks.formats.xva.checksum import LENGTHS, SUFFIXES, Kind
from converters.disks.formats.xva.repetition import BLOCK, Repetition
from converters.disks.image import LARGEST_DISK
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

AHEAD = 4 * BLOCK
MOST_CHUNKS = 1 << 22
MOST_DISKS = 256
MOST_OTHERS = 10_000
LARGEST_CHUNK = 16 << 20
MOST_KNOWN = 64
DESCRIPTION = b"ova.xml"
CHUNK = re.compile(rb"(Ref:[0-9]{1,12})/([0-9]{1,12})(\.checksum|\.xxhash)?")
REGULAR, DIRECTORY = b"0\0", b"5"
COPY_AGAIN = "Copy or export it again."


class Member(NamedTuple):
    """A member of the tar: its name, where its content begins, and how long that is."""

    name: bytes
    offset: int
    size: int
    is_file: bool


class Chunks:
    """The chunks of one disk, in their order: starts on the disk, places in the file, lengths."""

    def __init__(self, ref: str) -> None:
        self.ref = ref
        self.size = 0
        self.starts = array("q")
        self.offsets = array("q")
        self.lengths = array("i")
        self.kinds = array("b")
        self.number = -1
        self.step = 0

    def add(self, number: int, member: Member, where: str) -> None:
        """Add a chunk behind the last one.

        xapi skips as many chunks of the first one's length as numbers are missing. It writes
        chunks without any bytes to keep a connection alive; those have a number, but no room.
        """
        if number <= self.number:
            raise DamagedInputError(
                f"the chunks of {self.ref} are not in order ({number} follows {self.number})",
                where=where,
                hint=COPY_AGAIN,
            )
        if self.number < 0 and number:
            raise DamagedInputError(
                f"the first chunk of {self.ref} is missing (it begins with {number})",
                where=where,
                hint=COPY_AGAIN,
            )
        self.step = self.step or member.size
        start = self.size + (number - self.number - 1) * self.step
        if start + member.size > LARGEST_DISK:
            raise DamagedInputError(
                f"the size of {self.ref} is impossible ({start + member.size} bytes)", where=where
            )
        self.number, self.size = number, start + member.size
        if member.size:
            self.starts.append(start)
            self.offsets.append(member.offset)
            self.lengths.append(member.size)
            self.kinds.append(Kind.NONE)

    def goes_on(self, checksum: Member) -> bool:
        """Say whether the last two chunks are alike and touch, the last before its checksum."""
        if self.lengths[-2:] != array("i", [self.step]) * 2:
            return False
        touching = self.starts[-1] - self.starts[-2] == self.step
        follows = self.offsets[-1] + padded(self.step) + BLOCK == checksum.offset
        return touching and follows and self.kinds[-1] == self.kinds[-2]

    def repeat(self, count: int, step: int) -> None:
        """Add chunks like the last one, each ``step`` bytes further in the file."""
        start, offset, length = self.starts[-1], self.offsets[-1], self.lengths[-1]
        self.starts.extend(range(start + length, start + (count + 1) * length, length))
        self.offsets.extend(range(offset + step, offset + (count + 1) * step, step))
        self.lengths.extend(array("i", [length]) * count)
        self.kinds.extend(array("b", [self.kinds[-1]]) * count)
        self.number, self.size = self.number + count, self.size + count * length

    def sum_follows(self, number: int, kind: Kind, member: Member, where: str) -> None:
        """Note that the checksum of the last chunk lies behind it."""
        if number != self.number or member.size != LENGTHS[kind]:
            raise DamagedInputError(
                f"a checksum of {self.ref} is not that of the chunk before it "
                f"({member.name.decode()}, {member.size} bytes)",
                where=where,
            )
        if self.starts and self.size == self.starts[-1] + self.lengths[-1]:
            begin = self.offsets[-1] + padded(self.lengths[-1]) + BLOCK
            if member.offset == begin:
                self.kinds[-1] = kind


class Index(NamedTuple):
    """What an XVA holds: its disks in their order, how many other files, what is odd."""

    disks: dict[str, Chunks]
    others: int
    oddities: tuple[str, ...]


def padded(size: int) -> int:
    """Return the room of a member's content, which is whole blocks."""
    return -(-size // BLOCK) * BLOCK


def begins_xva(file: File) -> bool:
    """Say whether the first member of a tar is one an XVA begins with."""
    block = file.pread(0, BLOCK)
    if len(block) < BLOCK:
        return False
    name = _name(block)
    known = name == DESCRIPTION or CHUNK.fullmatch(name) is not None
    return known and _stored_sum(block) == _Sums().of(block)


def read_index(file: File) -> Index:
    """Walk over the headers of an XVA."""
    walk = _Walk(file)
    disks: dict[str, Chunks] = {}
    others = strange = count = 0
    for member in walk.members():
        found = CHUNK.fullmatch(member.name)
        if not member.is_file:
            continue
        if found is None:
            others += 1
            strange += member.name.startswith(b"Ref:")
            if others > MOST_OTHERS:
                raise UnsupportedInputError(
                    f"holds too many files that are no chunks (at most {MOST_OTHERS})",
                    where=file.name,
                )
            continue
        count += 1
        chunks = _take(disks, member, found, f"{file.name} at {member.offset - BLOCK}")
        if found[3] and chunks.goes_on(member):
            same = Repetition(file, chunks.offsets[-1] - BLOCK, member.offset - BLOCK, walk.at)
            most = min(MOST_CHUNKS - count // 2, (LARGEST_DISK - chunks.size) // chunks.step)
            following = same.count(chunks.number + 1, most)
            chunks.repeat(following, same.step)
            count, walk.at = count + 2 * following, walk.at + following * same.step
        if count > 2 * MOST_CHUNKS or len(disks) > MOST_DISKS:
            raise UnsupportedInputError(
                f"holds too many chunks or disks (at most {MOST_CHUNKS} and {MOST_DISKS})",
                where=file.name,
            )
    return Index(disks, others, tuple(_oddities(strange, walk.ended)))


def _take(disks: dict[str, Chunks], member: Member, found: re.Match[bytes], where: str) -> Chunks:
    """Add a chunk or a checksum to its disk."""
    raw_ref, digits, suffix = found.groups()
    ref, number = raw_ref.decode(), int(digits)
    if ref not in disks:
        disks[ref] = Chunks(ref)
    if suffix:
        disks[ref].sum_follows(number, SUFFIXES[suffix], member, where)
        return disks[ref]
    if member.size > LARGEST_CHUNK:
        raise UnsupportedInputError(
            f"a chunk of {ref} is too large ({member.size} bytes, at most {LARGEST_CHUNK})",
            where=where,
        )
    disks[ref].add(number, member, where)
    return disks[ref]


def _oddities(strange: int, ended: bool) -> Iterator[str]:
    if strange:
        yield f"files of the disks are neither chunks nor checksums ({strange})"
    if not ended:
        yield "the archive has no end mark; what follows may be missing"


class _Sums:
    """Checksums of headers, of which most differ in their names alone."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}

    def of(self, block: bytes) -> int:
        """Return the sum that POSIX wants: the field of the checksum counts as blanks."""
        rest = block[100:148] + block[156:]
        total = self._known.get(rest)
        if total is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            total = self._known[rest] = sum(rest) + 8 * 32
        return total + sum(block[:100])


class _Walk:
    """Goes from header to header; chunks are skipped, and what lies behind them read at once."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._sums = _Sums()
        self.at = 0
        self._at, self._ahead = 0, b""
        self.ended = False

    def members(self) -> Iterator[Member]:
        """Yield the members up to the end mark."""
        while (block := self._block(self.at)) is not None:
            member = self._parse(block, self.at)
            self.at = member.offset + padded(member.size)
            yield member

    def _block(self, at: int) -> bytes | None:
        if not self._at <= at <= self._at + len(self._ahead) - BLOCK:
            self._at, self._ahead = at, self._file.pread(at, AHEAD)
        block = self._ahead[at - self._at : at - self._at + BLOCK]
        if not block or not block.strip(b"\0"):
            self.ended = len(block) == BLOCK
            return None
        if len(block) < BLOCK:
            raise DamagedInputError(
                f"is cut short in a header ({BLOCK - len(block)} bytes are missing)",
                where=f"{self._file.name} at {at}",
                hint=COPY_AGAIN,
            )
        return block

    def _parse(self, block: bytes, at: int) -> Member:
        where = f"{self._file.name} at {at}"
        if _stored_sum(block) != self._sums.of(block):
            raise DamagedInputError("tar header's checksum is wrong", where=where, hint=COPY_AGAIN)
        kind = block[156:157]
        if kind not in REGULAR and kind != DIRECTORY:
            raise UnsupportedInputError(
                f"holds a member of a kind that no XVA has ({kind!r})",
                where=where,
                hint="Write the archive again as USTAR: tar --format=ustar.",
            )
        size = _octal(block[124:136])
        if size is None:
            raise DamagedInputError(
                f"tar header's size is no number ({block[124:136]!r})", where=where
            )
        member = Member(_name(block), at + BLOCK, size, kind in REGULAR)
        if (missing := member.offset + size - self._file.size) > 0:
            raise DamagedInputError(
                f"is cut short in member {member.name.decode('utf-8', 'replace')!r} "
                f"({missing} bytes are missing)",
                where=self._file.name,
                hint=COPY_AGAIN,
            )
        return member


def _name(block: bytes) -> bytes:
    return block[:100].split(b"\0", 1)[0].removeprefix(b"./")


def _stored_sum(block: bytes) -> int | None:
    return _octal(block[148:156])


def _octal(field: bytes) -> int | None:
    """Read digits of base eight between blanks and nulls."""
    digits = field.strip(b" \0")
    return None if digits.strip(b"01234567") else int(digits or b"0", 8)
