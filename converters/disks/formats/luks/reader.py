"""Reading the disk behind a LUKS header."""

from __future__ import annotations

from collections.abc import Iterator

from converters.disks.ciphers import Decipher, decrypted_runs
from converters.disks.gate import Gate
from converters.disks.image import SECTOR, Facts, Run, Stored
from converters.disks.luks import LuksHeader
from converters.disks.registry import NOTHING_MORE, Access
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


def open_luks(file: File, gate: Gate, access: Access = NOTHING_MORE) -> LuksImage:
    """Unlock the disk with the passphrase that is given."""
    del gate
    header = LuksHeader.read(file)
    return LuksImage(file, header, header.unlock(file, access.passphrase))
