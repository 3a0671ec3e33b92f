"""The log of a VHDX: what was being changed when the program that wrote it was stopped.

Entries lie in a ring of 4 KiB sectors. Those that follow each other by sequence number and hold
their own tail are the active sequence, which is laid over the file; the file itself stays as it is.

Source: [MS-VHDX], sections "Log" and "Log Replay".
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from converters.disks.formats.vhdx.checksum import checksum_of
from converters.disks.formats.vhdx.header import LARGEST_FILE, MIB, NO_LOG, Header
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File, Stretch

SECTOR = 4096
LARGEST_LOG = 32 * MIB
ENTRY_MAGIC, ZERO_MAGIC, DATA_MAGIC, SECTOR_MAGIC = b"loge", b"zero", b"desc", b"data"
DESCRIPTOR = struct.Struct("<4s4sQQQ")
DATA_SECTOR = struct.Struct("<4sI4084sI")
ATTACH_HINT = "Attach it once where it was made, which repairs it, or copy the file again."


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that is sound by itself, lying ``at`` bytes into the ring."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sIIIQI4x16sQQ")

    at: int
    length: int
    tail: int
    sequence: int
    flushed: int
    last: int
    content: bytes
    descriptors: int


class Replayed:
    """A file as it is once its log has been replayed: sectors and zeros laid over it."""

    def __init__(self, inner: File, size: int) -> None:
        self.name = inner.name
        self.size = size
        self.written = inner.size
        self._inner = inner
        self._sectors: dict[int, bytes] = {}
        self._order: list[int] = []
        self._zeros: list[tuple[int, int]] = []
        self._starts: list[int] = []

    def write(self, offset: int, content: bytes) -> None:
        """Lay one sector over the file."""
        if offset not in self._sectors:
            insort(self._order, offset)
        self._sectors[offset] = content
        self.written = max(self.written, offset + SECTOR)

    def erase(self, offset: int, length: int) -> None:
        """Lay zeros over the file, and over what was written so far."""
        covered = slice(*self._between(offset, offset + length))
        for at in self._order[covered]:
            del self._sectors[at]
        del self._order[covered]
        self._zeros.append((offset, offset + length))

    def settle(self) -> None:
        """Join the zeros that touch, once everything has been written."""
        joined: list[tuple[int, int]] = []
        for start, stop in sorted(self._zeros):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        self._zeros = joined
        self._starts = [start for start, _ in joined]

    def pread(self, offset: int, length: int) -> bytes:
        """Read the file and what lies over it; behind the file's old end there are zeros."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        found = bytearray(self._inner.pread(offset, length).ljust(length, b"\0"))
        stop = offset + length
        for start, end in self._zeros[slice(*self._zeros_between(offset, stop))]:
            first, last = max(start, offset), min(end, stop)
            found[first - offset : last - offset] = bytes(last - first)
        for at in self._order[slice(*self._between(offset - SECTOR + 1, stop))]:
            first, last = max(at, offset), min(at + SECTOR, stop)
            found[first - offset : last - offset] = self._sectors[at][first - at : last - at]
        return bytes(found)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Ask the file below, unless something lies over these bytes."""
        stop = offset + length
        over = (self._between(offset - SECTOR + 1, stop), self._zeros_between(offset, stop))
        if stop > self._inner.size or any(first < last for first, last in over):
            return None
        return self._inner.stretches(offset, length)

    def _between(self, start: int, stop: int) -> tuple[int, int]:
        return bisect_left(self._order, start), bisect_left(self._order, stop)

    def _zeros_between(self, start: int, stop: int) -> tuple[int, int]:
        first = bisect_right(self._starts, start)
        if first and self._zeros[first - 1][1] > start:
            first -= 1
        return first, bisect_left(self._starts, stop)


def replayed(file: File, header: Header) -> Replayed | None:
    """Return the file with its log replayed, or nothing where the log is empty."""
    if header.log == NO_LOG:
        return None
    _check(file, header)
    entries = _active(_Ring(file, header))
    if not entries:
        raise DamagedInputError(
            "the VHDX has a log to replay, but no sound entries in it",
            where=f"{file.name} at {header.log_at}",
            hint=ATTACH_HINT,
        )
    newest = entries[-1]
    if newest.flushed > file.size:
        raise DamagedInputError(
            f"the VHDX is cut short (its log knows {newest.flushed} bytes, "
            f"the file has {file.size})",
            where=file.name,
            hint="Copy the file again.",
        )
    if newest.last > LARGEST_FILE:
        raise DamagedInputError(
            f"the VHDX log gives the file an impossible size ({newest.last} bytes)",
            where=f"{file.name} at {header.log_at}",
        )
    found = Replayed(file, max(file.size, -(-newest.last // MIB) * MIB))
    for entry in entries:
        _apply(entry, found)
    found.settle()
    return found


class _Ring:
    """The log's bytes, read around its end."""

    def __init__(self, file: File, header: Header) -> None:
        self._file = file
        self._at = header.log_at
        self.length = header.log_length
        self.guid = header.log

    def read(self, at: int, length: int) -> bytes:
        """Read from ``at`` on, going on at the beginning."""
        first = min(length, self.length - at)
        found = self._file.pread(self._at + at, first)
        return found + self._file.pread(self._at, length - first) if first < length else found

    def entry(self, at: int) -> Entry | None:
        """Return the entry at a place, if there is a sound one."""
        raw = self.read(at, SECTOR)
        magic, said, length, tail, sequence, count, guid, flushed, last = Entry.LAYOUT.unpack_from(
            raw
        )
        fits = 0 < length <= self.length and length % SECTOR == 0
        if magic != ENTRY_MAGIC or UUID(bytes_le=guid) != self.guid or not fits or not sequence:
            return None
        if tail % SECTOR or Entry.LAYOUT.size + count * DESCRIPTOR.size > length:
            return None
        content = self.read(at, length)
        # No entry holds the beginning of another one, so what is checked is never checked twice.
        if any(
            content[begin : begin + 4] == ENTRY_MAGIC for begin in range(SECTOR, length, SECTOR)
        ):
            return None
        entry = Entry(at, length, tail, sequence, flushed, last, content, count)
        sound = said == checksum_of(content) and _hangs_together(entry)
        return entry if sound else None


def _check(file: File, header: Header) -> None:
    where = f"{file.name} at {header.log_at}"
    if header.log_version:
        raise UnsupportedInputError(
            f"the VHDX log has an unknown version ({header.log_version})", where=where
        )
    at, length = header.log_at, header.log_length
    if at % MIB or at < MIB or length % MIB or not length or at + length > file.size:
        raise DamagedInputError(
            f"the VHDX log lies at an impossible place ({length} bytes long, "
            f"the file ends at {file.size})",
            where=where,
        )
    if length > LARGEST_LOG:
        raise UnsupportedInputError(
            f"the VHDX log is too large to be replayed ({length} bytes, at most {LARGEST_LOG})",
            where=where,
            hint="Attach it once where it was made, which empties the log.",
        )


def _active(ring: _Ring) -> list[Entry]:
    """Return the active sequence, the oldest entry first: of those that are whole, the newest."""
    places = range(0, ring.length, SECTOR)
    sound = {at: entry for at in places if (entry := ring.entry(at)) is not None}
    follower = {
        at: after
        for at, entry in sound.items()
        if (after := sound.get((at + entry.length) % ring.length)) is not None
        and after.sequence == entry.sequence + 1
    }
    begun = sound.keys() - {after.at for after in follower.values()}
    best: list[Entry] = []
    for at in begun:
        chain = [sound[at]]
        while (after := follower.get(chain[-1].at)) is not None:
            chain.append(after)
        tails = [number for number, entry in enumerate(chain) if entry.at == chain[-1].tail]
        if tails and (not best or chain[-1].sequence > best[-1].sequence):
            best = chain[tails[0] :]
    return best


def _descriptors(entry: Entry) -> Iterator[tuple[bytes, bytes, int, int, int]]:
    for number in range(entry.descriptors):
        yield DESCRIPTOR.unpack_from(entry.content, Entry.LAYOUT.size + number * DESCRIPTOR.size)


def _data_at(entry: Entry) -> int:
    """Return where an entry's data sectors begin."""
    used = Entry.LAYOUT.size + entry.descriptors * DESCRIPTOR.size
    return -(-used // SECTOR) * SECTOR


def _hangs_together(entry: Entry) -> bool:
    """Say whether an entry's descriptors and data sectors belong to it and lead somewhere."""
    at = _data_at(entry)
    for magic, _, middle, offset, sequence in _descriptors(entry):
        length = middle if magic == ZERO_MAGIC else SECTOR
        if magic not in {ZERO_MAGIC, DATA_MAGIC} or sequence != entry.sequence:
            return False
        if offset % SECTOR or length % SECTOR or offset + length > LARGEST_FILE:
            return False
        if magic == DATA_MAGIC:
            if at + SECTOR > entry.length:
                return False
            found, high, _, low = DATA_SECTOR.unpack_from(entry.content, at)
            if found != SECTOR_MAGIC or (high << 32 | low) != entry.sequence:
                return False
            at += SECTOR
    return True


def _apply(entry: Entry, onto: Replayed) -> None:
    """Lay an entry's changes over the file, in their order."""
    at = _data_at(entry)
    for magic, trailing, middle, offset, _ in _descriptors(entry):
        if magic == ZERO_MAGIC:
            onto.erase(offset, middle)
            continue
        content = DATA_SECTOR.unpack_from(entry.content, at)[2]
        onto.write(offset, middle.to_bytes(8, "little") + content + trailing)
        at += SECTOR
