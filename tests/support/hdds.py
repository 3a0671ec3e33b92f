"""Folders of Parallels, whose images qemu-img makes and whose descriptor is written here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from struct import pack_into, unpack_from
from typing import NamedTuple

TOP = "{5fbaabe3-6958-40ff-92a7-860e329aab41}"
BASE = "{11111111-2222-3333-4444-555555555555}"
MIDDLE = "{AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE}"
NOTHING = "{00000000-0000-0000-0000-000000000000}"
OLD_MAGIC = b"WithoutFreeSpace"


class Image(NamedTuple):
    """An image of a storage as the descriptor names it."""

    guid: str
    file: str
    kind: str = "Compressed"


class Storage(NamedTuple):
    """A stretch of the disk in sectors."""

    start: int
    end: int
    images: Sequence[Image]
    block: int = 2048


def described(
    sectors: int,
    storages: Sequence[Storage],
    shots: Sequence[tuple[str, str]] = ((TOP, NOTHING),),
    *,
    top: str | None = None,
) -> str:
    """Return a descriptor; ``shots`` are snapshots and what each lies on."""
    parts = "".join(map(_storage, storages))
    said = f"<TopGUID>{top}</TopGUID>" if top else ""
    chain = "".join(
        f"<Shot><GUID>{guid}</GUID><ParentGUID>{parent}</ParentGUID></Shot>"
        for guid, parent in shots
    )
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0">
    <Disk_Parameters>
        <Disk_size>{sectors}</Disk_size>
        <Cylinders>{sectors // 512}</Cylinders>
        <PhysicalSectorSize>4096</PhysicalSectorSize>
        <Heads>16</Heads>
        <Sectors>32</Sectors>
        <Padding>0</Padding>
        <Encryption>
            <Engine>{NOTHING}</Engine>
            <Data></Data>
        </Encryption>
        <UID>{{e4b5b0a8-0000-4000-8000-000000000001}}</UID>
        <Name>disk</Name>
    </Disk_Parameters>
    <StorageData>{parts}</StorageData>
    <Snapshots>{said}{chain}</Snapshots>
</Parallels_disk_image>
"""


def _storage(storage: Storage) -> str:
    images = "".join(
        f"<Image><GUID>{guid}</GUID><Type>{kind}</Type><File>{file}</File></Image>"
        for guid, file, kind in storage.images
    )
    return (
        f"<Storage><Start>{storage.start}</Start><End>{storage.end}</End>"
        f"<Blocksize>{storage.block}</Blocksize>{images}</Storage>"
    )


def made_old(path: Path) -> None:
    """Make an image that qemu-img made one of the old kind, whose table counts sectors."""
    content = bytearray(path.read_bytes())
    tracks, entries = unpack_from("<II", content, 28)
    content[:16] = OLD_MAGIC
    pack_into("<I", content, 40, 0xDEAD)  # the upper half of the size, which does not count
    for at in range(64, 64 + 4 * entries, 4):
        pack_into("<I", content, at, unpack_from("<I", content, at)[0] * tracks)
    path.write_bytes(content)
