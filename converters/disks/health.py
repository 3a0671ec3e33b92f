"""Checking an image: what its format knows how to check, else what can be said of any format.

Any image is walked run by run: what lies behind the end of its file, and what lies where another
run lies, is found. A deep check also reads and unpacks everything that is stored, once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from converters.disks.checking import BEHIND, TWICE, Checked, Findings, Ground, Kind, Lost
from converters.disks.gate import Gate
from converters.disks.image import Image, Packed, Run, Stored, fetch, unpack
from converters.disks.mending import Blanked, MendingGate, mended, patiently
from converters.disks.ordered import in_order, threads_for
from converters.disks.registry import NOTHING_MORE, Access, DiskFormat, open_image
from rehost.errors import DamagedInputError
from rehost.files import File
from rehost.progress import SILENT, Progress

PART = 4 << 20
BATCH = 64
UNKNOWN_CONTENT = "its content is damaged"


def check_image(
    file: File,
    gate: Gate,
    known: DiskFormat,
    *,
    access: Access = NOTHING_MORE,
    deep: bool = False,
    progress: Progress = SILENT,
) -> Checked:
    """Check one image, not those below it, as its format does or else as any can be.

    What ``access`` gives is needed only to read what the image stores.
    """
    if known.check is not None:
        checked = known.check(file, gate)
    else:
        checked = _any_format(_open(file, gate, known, access), file)
    if not deep:
        return checked
    image = opened(file, gate, known, checked, access)
    return _with_content(image, file, checked, progress)


def opened(
    file: File, gate: Gate, known: DiskFormat, checked: Checked, access: Access = NOTHING_MORE
) -> Image:
    """Open a checked image so that what is broken of it reads as zeros."""
    if checked.patches:
        file, gate = mended(file, checked.patches), MendingGate(gate, checked.patches)
    image = _open(file, gate, known, access)
    return Blanked(image, checked.lost) if checked.lost else image


def _open(file: File, gate: Gate, known: DiskFormat, access: Access) -> Image:
    return open_image(file, gate, format=known.name, access=access)


def _any_format(image: Image, file: File) -> Checked:
    """Check that what is stored lies inside its file, and nothing of it twice."""
    findings = Findings(file.name)
    usage = findings.usage
    usage.unit, usage.total, usage.allocated = 1, image.size, 0
    grounds: dict[str, Ground] = {}
    for found in patiently(image):
        if isinstance(found, Lost):
            findings.add(Kind.DAMAGE, f"part of the disk cannot be read ({found.why})")
            findings.lose(found.start, found.length, found.why)
        elif (place := _place(found, findings)) is not None:
            usage.allocated += found.length
            grounds.setdefault(place.file.name, Ground(place.file.name)).note(
                place.start, place.stop
            )
    overlaps = {name: ground.overlaps for name, ground in grounds.items()}
    for name, stretches in overlaps.items():
        for start, stop in stretches:
            findings.add(Kind.OVERLAP, f"{stop - start} bytes are used twice", start, file=name)
    if any(overlaps.values()):
        _lose_overlaps(image, overlaps, findings)
    return findings.done()


class _Place(NamedTuple):
    file: File
    start: int
    stop: int


def _place(run: Run, findings: Findings | None) -> _Place | None:
    """Return where a run is stored; of a packed one only the first byte is certain."""
    source = run.source
    if not isinstance(source, Stored | Packed):
        return None
    stop = source.offset + (run.length if isinstance(source, Stored) else 1)
    if stop <= source.file.size:
        return _Place(source.file, source.offset, stop)
    if findings is not None:
        said = (
            f"what the disk has at {run.start} lies behind the end of the file "
            f"(at {source.offset}, the file ends at {source.file.size})"
        )
        findings.add(Kind.DAMAGE, said, source.offset, file=source.file.name)
        findings.lose(run.start, run.length, BEHIND)
    return None


def _lose_overlaps(
    image: Image, overlaps: dict[str, list[tuple[int, int]]], findings: Findings
) -> None:
    """Find what the disk has in stretches that are used twice."""
    for found in patiently(image):
        place = None if isinstance(found, Lost) else _place(found, None)
        if place is not None:
            stretches = overlaps.get(place.file.name, [])
            index = bisect_right(stretches, place.start, key=lambda each: each[1])
            if index < len(stretches) and stretches[index][0] < place.stop:
                findings.lose(found.start, found.length, TWICE)


def _with_content(image: Image, file: File, checked: Checked, progress: Progress) -> Checked:
    """Read and unpack everything once, and add what is damaged to what was found."""
    findings = Findings(file.name)
    progress.start("check", image.size)
    done = 0
    batches = _batches(_parts(image, findings))
    for batch, failed in in_order(_failed, batches, threads_for(PART)):
        for run, error in failed:
            said = f"{error.what}; the disk has it at {run.start}"
            findings.add(Kind.CHECKSUM, said, file=error.where or None)
            findings.lose(run.start, run.length, UNKNOWN_CONTENT)
        progress.advance(batch[-1].stop - done)
        done = batch[-1].stop
    progress.close()
    return joined(checked, findings.done())


def _batches(runs: Iterator[Run]) -> Iterator[list[Run]]:
    while batch := list(islice(runs, BATCH)):
        yield batch


def _parts(image: Image, findings: Findings) -> Iterator[Run]:
    """Yield what is stored, in parts that fit into memory."""
    for found in patiently(image):
        if isinstance(found, Lost):
            findings.add(Kind.DAMAGE, f"part of the disk cannot be read ({found.why})")
            findings.lose(found.start, found.length, found.why)
        elif isinstance(found.source, Packed):
            yield found
        elif isinstance(found.source, Stored):
            file, offset = found.source
            for at in range(0, found.length, PART):
                length = min(PART, found.length - at)
                yield Run(found.start + at, length, Stored(file, offset + at))


def _failed(batch: list[Run]) -> list[tuple[Run, DamagedInputError]]:
    failed: list[tuple[Run, DamagedInputError]] = []
    for run in batch:
        try:
            match run.source:
                case Stored():
                    fetch(run.source, run.length)
                case Packed(file, at, most, _):
                    unpack(run.source, run.length, file.pread(at, most))
        except DamagedInputError as error:
            failed.append((run, error))
    return failed


def joined(first: Checked, second: Checked) -> Checked:
    """Return what two checks of one image found."""
    found = dict(first.found)
    for kind, count in second.found.items():
        found[kind] = found.get(kind, 0) + count
    return replace(
        first,
        problems=(*first.problems, *second.problems),
        found=found,
        errors=first.errors + second.errors,
        warnings=first.warnings + second.warnings,
        lost=tuple(sorted((*first.lost, *second.lost), key=lambda each: each.start)),
        patches=(*first.patches, *second.patches),
    )
