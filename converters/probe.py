"""What rules may learn of a disk image: the ``rehost.disk_probe`` entry point of ``ovf``."""

from __future__ import annotations

from dataclasses import replace

from converters.disks.digest import Terms, entries
from converters.disks.formats.vmdk.ending import END_MARKER
from converters.disks.formats.vmdk.marked import Marked
from converters.disks.image import Facts, Image
from converters.disks.manifest import Manifested
from converters.disks.registry import RAW, format_of, open_image
from converters.disks.survey import held_by
from ovf.contents.probe import DiskContent, DiskFacts, Flaw, Gate, StreamFacts
from ovf.environment.medium import is_medium
from rehost.errors import DamagedInputError
from rehost.files import File

ISO = "iso"
STREAM = "streamOptimized"


class DiskProbe:
    """Looks into images of every format that is read."""

    def recognise(self, start: File) -> DiskFacts | None:
        """Say which format it is; what begins like none may still be a fixed VHD or raw."""
        name = ISO if is_medium(start) else format_of(start).name
        return None if name == RAW else DiskFacts(name)

    def look(self, file: File, gate: Gate) -> DiskFacts:
        """Open an image and go through its tables."""
        known = format_of(file)
        image = open_image(file, gate, format=known.name)
        populated: int | None = None
        flaws: tuple[Flaw, ...] = ()
        try:
            held = held_by(image)
        except DamagedInputError as error:
            flaws = (_flaw(error),)
        else:
            populated = held.stored + held.packed
        stream = _stream(image.facts)
        if isinstance(damage := image.facts.details.get("streamDamage"), str):
            flaws = (*flaws, Flaw(file.name, damage))
        return DiskFacts(
            ISO if known.name == RAW and is_medium(file) else known.name,
            _variant(image.facts, stream),
            image.size,
            populated,
            stream,
            _adapter(image.facts),
            tuple(each for each in image.facts.oddities if END_MARKER not in each),
            flaws,
        )

    def read(self, file: File, gate: Gate) -> DiskContent:
        """Digest what the guest sees; the first block that is damaged ends it."""
        return _read(open_image(file, gate, format=format_of(file).name))

    def read_ahead(self, file: File, gate: Gate, start: DiskFacts | None) -> DiskContent:
        """Do the same for what begins like ``start``, or like nothing and so is raw."""
        name = RAW if start is None or start.format == ISO else start.format
        return _read(open_image(file, gate, format=name))


PROBE = DiskProbe()


def _read(image: Image) -> DiskContent:
    # Asking for the facts would look for the end of a stream before the rest is read.
    if not getattr(image, "is_stream", False):
        return _content(image)
    marked = Marked(image)
    return replace(_content(marked), oddities=marked.oddities)


def _content(image: Image) -> DiskContent:
    terms = Terms(image.size)
    manifested = Manifested(terms)
    try:
        for entry in entries(image, terms):
            manifested.add(entry)
    except DamagedInputError as error:
        return DiskContent(None, (_flaw(error),))
    return DiskContent(manifested.finish())


def _stream(facts: Facts) -> StreamFacts | None:
    """Return how a VMDK is written that is a stream by its header, whatever it is called."""
    match facts.details:
        case {"headerVersion": int(version), "streamEnd": int() | None as end, **more}:
            behind, due = more.get("bytesBehindStreamEnd"), more.get("streamEndDue")
            return StreamFacts(
                version,
                end,
                behind if isinstance(behind, int) else 0,
                due if isinstance(due, int) else None,
            )
    return None


def _variant(facts: Facts, stream: StreamFacts | None) -> str | None:
    """Return the kind within the format, for a VMDK by its header where that contradicts."""
    if stream is not None:
        return STREAM
    if facts.format == "vmdk" and (facts.variant or "").lower() == STREAM.lower():
        return f"{STREAM} without compression"
    return facts.variant


def _adapter(facts: Facts) -> str | None:
    adapter = facts.details.get("ddb.adapterType")
    return adapter if isinstance(adapter, str) else None


def _flaw(error: DamagedInputError) -> Flaw:
    return Flaw(error.where, error.what)
