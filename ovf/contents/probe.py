"""What a rule may ask of a disk image, and who answers.

Nothing here knows a disk format. The answers come from a ``Probe``, which is found by the entry
point group ``rehost.disk_probe`` when a package has a disk to look into.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Protocol

from rehost.files import File

GROUP = "rehost.disk_probe"
PLAIN = "raw"
"""The format of what begins like none."""
NO_END = "the stream has no end-of-stream marker"


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """How a stream-optimized VMDK is written.

    ``version`` is that of its header, ``end`` the offset of the first byte behind its end-of-stream
    marker (None without one), and ``behind`` the number of bytes that follow all the same. ``due``
    is where a marker that is not there belongs, if all of the stream before it is.
    """

    version: int
    end: int | None
    behind: int
    due: int | None = None

    @property
    def trailing(self) -> str:
        """What is said of bytes behind the marker."""
        return f"{self.behind} bytes lie behind the end-of-stream marker"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in an image that keeps a part of it from being read."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What an image says of itself; sizes are bytes of the guest's disk.

    ``format`` is a word of ``ovf.contents.format_uris``, ``variant`` the kind within it.
    ``populated`` is what the image stores, unpacked. ``adapter`` is the controller a VMDK was made
    for. None is what the image does not say, or what nobody looked for.
    """

    format: str
    variant: str | None = None
    virtual_size: int | None = None
    populated: int | None = None
    stream: StreamFacts | None = None
    adapter: str | None = None
    oddities: tuple[str, ...] = ()
    flaws: tuple[Flaw, ...] = ()

    @property
    def label(self) -> str:
        """What messages call format and variant."""
        return f"{self.format} {self.variant}" if self.variant else self.format


@dataclass(frozen=True, slots=True)
class DiskContent:
    """What reading all of an image told, ``oddities`` beside those its headers show.

    ``digest`` is what ``rehost disk digest`` prints for what the guest sees; None where a part of
    the image, which ``flaws`` name, cannot be read.
    """

    digest: str | None
    flaws: tuple[Flaw, ...] = ()
    oddities: tuple[str, ...] = ()


class Gate(Protocol):
    """Opens the files that an image names."""

    def open(self, name: str, *, by: str) -> File:
        """Return the file that ``by`` names, or refuse."""


class Probe(Protocol):
    """Looks into disk images. Every method raises for an image that cannot be opened."""

    def recognise(self, start: File) -> DiskFacts | None:
        """Say what the first bytes of an image tell; None if that is nothing."""

    def look(self, file: File, gate: Gate) -> DiskFacts:
        """Say what headers and tables tell, without reading data."""

    def read(self, file: File, gate: Gate) -> DiskContent:
        """Read, unpack and digest all of an image, its bytes in the order of the disk."""

    def read_ahead(self, file: File, gate: Gate, start: DiskFacts | None) -> DiskContent:
        """Do the same without a look at its end; ``start`` is what ``recognise`` said."""


@cache
def installed() -> Probe | None:
    """Return the probe that is installed; None where only this package is."""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        probe: Probe = point.load()
        return probe
    return None
