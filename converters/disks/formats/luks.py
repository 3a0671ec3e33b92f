"""LUKS version 1 as a disk: a header, then the guest's disk, encrypted sector by sector."""

from __future__ import annotations

from collections.abc import Iterator

from converters.disks.ciphers import Decipher, decrypted_runs
from converters.disks.gate import Gate
from converters.disks.image import SECTOR, Facts, Run, Stored
from converters.disks.luks import MAGIC, LuksHeader
from converters.disks.registry import NOTHING_MORE, Access, DiskFormat
from rehost.errors import DamagedInputError
from rehost.files import File


class LuksImage:
    """A disk encrypted as a whole; its sectors are counted from the payload's beginning."""

    parent = None

    def __init__(self, file: File, header: LuksHeader, decipher: Decipher) -> None:
        self.size = (file.size - header.payload_at) // SECTOR * SECTOR
        if self.size < 0:
            raise DamagedInputError(
                f"the LUKS payload begins behind the end of the file (at {header.payload_at})",
                where=file.name,
                hint="The file is cut short; copy it again.",
            )
        self._file = file
        self._start = header.payload_at
        self._decipher = decipher
        self.facts = Facts("luks", "v1", header.told())

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the stretches that are decrypted together."""
        first, last = start // SECTOR * SECTOR, min(-(-stop // SECTOR) * SECTOR, self.size)
        if first < last:
            at = Stored(self._file, self._start + first)
            yield from decrypted_runs(first, last, at, self._decipher, -self._start)


def _open_with(file: File, gate: Gate, access: Access) -> LuksImage:
    del gate
    header = LuksHeader.read(file)
    return LuksImage(file, header, header.unlock(file, access.passphrase))


FORMAT = DiskFormat(
    name="luks",
    title="LUKS-encrypted disk",
    suffixes=(".luks",),
    recognise=lambda file: file.pread(0, len(MAGIC)) == MAGIC,
    open=lambda file, gate: _open_with(file, gate, NOTHING_MORE),
    open_with=_open_with,
    decrypts=True,
)
