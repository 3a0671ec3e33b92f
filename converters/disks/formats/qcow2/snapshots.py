"""The internal snapshots of a qcow2 image: disks as they were, each under an L1 table of its own.

Source: QEMU, "docs/interop/qcow2.txt", section "Snapshots".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from converters.disks.formats.qcow2.header import Header
from converters.disks.formats.qcow2.mapping import Level1
from converters.disks.image import LARGEST_DISK
from rehost.errors import DamagedInputError, UsageError
from rehost.files import File

MOST_SNAPSHOTS = 65536
MOST_EXTRA = 1024
LONGEST_TABLE = 64 << 20
HEAD = struct.Struct(">QIHHIIQII")
EXTRA = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One of them; ``seconds`` since 1970, sizes in bytes."""

    id: str
    name: str
    seconds: int
    vm_state: int
    level1: Level1

    def told(self) -> dict[str, object]:
        """Return what ``disk info`` says of it."""
        taken = datetime.fromtimestamp(self.seconds, UTC)
        return {
            "id": self.id,
            "name": self.name,
            "date": taken.isoformat().replace("+00:00", "Z"),
            "vmStateSize": self.vm_state,
            "diskSize": self.level1.size,
        }


def read_snapshots(file: File, header: Header) -> tuple[Snapshot, ...]:
    """Read the table of snapshots."""
    where = f"{file.name} at {header.snapshots_at}"
    if header.snapshots > MOST_SNAPSHOTS:
        raise DamagedInputError(
            f"the qcow2 image has too many snapshots ({header.snapshots}, "
            f"at most {MOST_SNAPSHOTS})",
            where=where,
        )
    if header.snapshots and header.snapshots_at % header.cluster:
        raise DamagedInputError("the qcow2 snapshot table lies at an odd place", where=where)
    return tuple(_table(file, header))


def _table(file: File, header: Header) -> Iterator[Snapshot]:
    at = header.snapshots_at
    for _ in range(header.snapshots):
        l1_at, entries, id_size, name_size, seconds, _, _, state, extra_size = HEAD.unpack(
            _taken(file, at, HEAD.size)
        )
        if extra_size > MOST_EXTRA:
            raise DamagedInputError(
                f"a qcow2 snapshot has too much extra data ({extra_size} bytes, "
                f"at most {MOST_EXTRA})",
                where=f"{file.name} at {at}",
            )
        length = extra_size + id_size + name_size
        rest = _taken(file, at + HEAD.size, length)
        size = header.size
        if extra_size >= EXTRA.size:
            state, size = EXTRA.unpack_from(rest)
        if size > LARGEST_DISK:
            raise DamagedInputError(
                f"a qcow2 snapshot's size is impossible ({size} bytes)",
                where=f"{file.name} at {at}",
            )
        names = rest[extra_size:]
        yield Snapshot(
            id=names[:id_size].decode("utf-8", "replace"),
            name=names[id_size:].decode("utf-8", "replace"),
            seconds=seconds,
            vm_state=state,
            level1=Level1(l1_at, entries, size),
        )
        at += HEAD.size + -(-length // 8) * 8
        if at - header.snapshots_at > LONGEST_TABLE:
            raise DamagedInputError(
                f"the qcow2 snapshot table is absurdly large (more than {LONGEST_TABLE} bytes)",
                where=f"{file.name} at {header.snapshots_at}",
            )


def _taken(file: File, at: int, length: int) -> bytes:
    found = file.pread(at, length)
    if len(found) < length:
        raise DamagedInputError(
            "the qcow2 snapshot table lies behind the end of the file",
            where=f"{file.name} at {at}",
            hint="The file is cut short; copy it again.",
        )
    return found


def find_snapshot(wanted: str, known: Sequence[Snapshot], where: str) -> Snapshot:
    """Return the snapshot with this ID or else, as qemu-img does, the first with this name."""
    for key in ("id", "name"):
        for each in known:
            if getattr(each, key) == wanted:
                return each
    listed = ", ".join(f"{each.name} (ID {each.id})" for each in known)
    raise UsageError(
        f"has no snapshot {wanted!r}",
        where=where,
        hint=f"It has: {listed}." if listed else "It has none.",
    )
