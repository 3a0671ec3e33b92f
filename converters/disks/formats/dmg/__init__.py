"""DMG, the disk image of macOS ("UDIF"): chunks of sectors, each packed in its own way.

Source: Jonathan Levin, "Demystifying the DMG File Format"; Apple's header hfs/UDIF as published
descriptions give it. All integers are big-endian. Everything is found from the file's end.
"""

from __future__ import annotations

from converters.disks.formats.dmg.reader import DmgImage
from converters.disks.formats.dmg.trailer import MAGIC, SIZE, Trailer
from converters.disks.gate import Gate
from converters.disks.registry import DiskFormat
from rehost.errors import UnsupportedInputError
from rehost.files import File

ENCRYPTED = b"encrcdsa"
ENCRYPTED_OLD = b"cdsaencr"


def _encrypted(file: File) -> bool:
    start, end = file.pread(0, 8), file.pread(file.size - 8, 8) if file.size > 8 else b""
    return start == ENCRYPTED or end == ENCRYPTED_OLD


def _recognise(file: File) -> bool:
    ended = file.size >= SIZE and file.pread(file.size - SIZE, 4) == MAGIC
    return ended or _encrypted(file)


def _open(file: File, gate: Gate) -> DmgImage:
    del gate
    if _encrypted(file):
        raise UnsupportedInputError(
            "the DMG is encrypted",
            where=file.name,
            hint="Decrypt it on a Mac: hdiutil convert FILE -format UDZO -o NEW.",
        )
    return DmgImage(file, Trailer.read(file))


FORMAT = DiskFormat(
    name="dmg",
    title="Apple DMG",
    suffixes=(".dmg",),
    recognise=_recognise,
    open=_open,
    by_end=True,
)
