"""A VMDK that has been opened: extents, one behind the other, and the disk below them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from converters.disks.extents import spanned
from converters.disks.formats.vmdk.descriptor import Descriptor, Extent
from converters.disks.formats.vmdk.grains import GrainedExtent
from converters.disks.holes import stored_runs
from converters.disks.image import PARENT, SECTOR, ZERO, Facts, Image, Run
from rehost.errors import DamagedInputError
from rehost.files import File


class Opened(Protocol):
    """An extent that has been opened."""

    @property
    def size(self) -> int:
        """How many bytes of the disk it stands for."""

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream, with markers."""

    @property
    def details(self) -> dict[str, object]:
        """What its own headers say."""

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is strange about it but not fatal."""

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield where the bytes of a stretch lie; offsets count from the extent's first byte."""


class FlatExtent:
    """An extent that stores every sector, at ``offset`` of a file."""

    is_stream = False
    details: dict[str, object] = {}  # noqa: RUF012 - nobody writes to it
    oddities: tuple[str, ...] = ()

    def __init__(self, file: File, offset: int, size: int) -> None:
        if offset + size > file.size:
            raise DamagedInputError(
                f"the flat extent is cut short ({file.size} bytes, should be {offset + size})",
                where=file.name,
                hint="Copy the file again.",
            )
        self._file = file
        self._offset = offset
        self.size = size

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the data of the file and its holes."""
        for run in stored_runs(self._file, self._offset + start, self._offset + stop):
            yield run._replace(start=run.start - self._offset)


class ZeroExtent:
    """An extent that stores nothing and reads as zeros."""

    is_stream = False
    details: dict[str, object] = {}  # noqa: RUF012 - nobody writes to it
    oddities: tuple[str, ...] = ()

    def __init__(self, size: int) -> None:
        self.size = size

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield zeros."""
        yield Run(start, stop - start, ZERO)


class VmdkImage:
    """A disk made of extents; what none of them stores is the parent's to say, or zero."""

    def __init__(
        self, descriptor: Descriptor, extents: Sequence[Opened], parent: Image | None
    ) -> None:
        self.descriptor = descriptor
        self.parent = parent
        self._extents = extents
        self._starts = [0]
        for extent in extents:
            self._starts.append(self._starts[-1] + extent.size)
            if isinstance(extent, GrainedExtent):
                extent.absent = ZERO if parent is None else PARENT
        self.size = self._starts[-1]

    @property
    def is_stream(self) -> bool:
        """Whether it is one stream, its grains behind markers."""
        return len(self._extents) == 1 and self._extents[0].is_stream

    @property
    def facts(self) -> Facts:
        """What descriptor and headers say, and what was strange in what has been read so far."""
        descriptor = self.descriptor
        details: dict[str, object] = dict(descriptor.entries)
        if len(self._extents) == 1:
            details |= self._extents[0].details
        details["extents"] = [
            _told(said, extent)
            for said, extent in zip(descriptor.extents, self._extents, strict=True)
        ]
        oddities = [oddity for extent in self._extents for oddity in extent.oddities]
        if not descriptor.has_parent and (hint := descriptor.said("parentFileNameHint")):
            oddities.append(f"it names a disk below it, but has none ({hint!r})")
        return Facts("vmdk", descriptor.create_type, details, tuple(dict.fromkeys(oddities)))

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of each extent touched."""
        return spanned(self._extents, self._starts, start, stop)


def _told(said: Extent, extent: Opened) -> dict[str, object]:
    """Say what is known of an extent; its size in bytes."""
    told: dict[str, object] = {
        "access": said.access,
        "size": said.sectors * SECTOR,
        "kind": said.kind,
    }
    if said.name is not None:
        told["name"] = said.name
    if said.offset:
        told["offset"] = said.offset * SECTOR
    return told | extent.details
