"""What each MiB of a VHDX is used for: everything in it lies on whole MiB, and nothing twice."""

from __future__ import annotations

import numpy as np

from converters.disks.formats.vhdx.header import LARGEST_FILE, MIB
from converters.disks.formats.vhdx.metadata import LARGEST_BLOCK
from converters.disks.tables import Positions
from rehost.errors import DamagedInputError
from rehost.files import File


class Ground:
    """The MiB of a file, one flag for each that is taken."""

    def __init__(self, file: File) -> None:
        if file.size > LARGEST_FILE:
            raise DamagedInputError(
                f"is larger than a VHDX can be ({file.size} bytes)", where=file.name
            )
        self._where = file.name
        self._taken = np.zeros((file.size + MIB - 1 + LARGEST_BLOCK) // MIB, dtype=np.bool_)

    def take(self, positions: Positions, length: int, what: str) -> None:
        """Take ``length`` bytes, whole MiB, at each position inside the file."""
        places = np.sort(positions // MIB)
        count = length // MIB
        close = np.flatnonzero(places[1:] - places[:-1] < count) + 1
        self._refuse(places[close], what)
        for step in range(count):
            self._refuse(places[self._taken[places + step]], what)
            self._taken[places + step] = True

    def _refuse(self, places: Positions, what: str) -> None:
        if len(places):
            raise DamagedInputError(
                f"a {what} lies where something else does (at {int(places[0]) * MIB})",
                where=self._where,
            )
