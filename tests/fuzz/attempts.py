"""What is done with an input: everything a command could do with such a file, in small amounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile

from converters.disks.bitmaps import bitmaps_of
from converters.disks.checking import Checked
from converters.disks.gate import ClosedGate, Gate
from converters.disks.health import check_image
from converters.disks.image import Image, Packed, Run, Stored, read, resolved
from converters.disks.journal import Journal
from converters.disks.manifest import Manifest, is_manifest
from converters.disks.registry import Access, format_named, format_of, open_image
from rehost.archive import read_archive
from rehost.console.output import json_text, printable
from rehost.errors import InteropError
from rehost.files import File
from tests.support.models import Memory

MOST_RUNS = 3000
PART = 64 << 10
LARGEST_PIECE = 64 << 20
NAME = "fuzzed"
ABOUT = "fuzz"
PASSPHRASE = "correct horse"  # noqa: S105

Attempt = Callable[[bytes], None]


class OneGate:
    """Answers any name with one file, as if it lay beside."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def open(self, name: str, *, by: str) -> File:
        """Return the file under the name that is asked for."""
        del by
        return Memory(self._content, name)

    def beside(self, by: str) -> list[str]:
        """Return the one name."""
        del by
        return ["beside"]


@contextmanager
def refusal() -> Iterator[None]:
    """Let a block refuse, in words that can be printed."""
    try:
        yield
    except InteropError as error:
        assert error.exit_code > 1, error
        printable(f"{error} {error.hint}").encode()


def disk(name: str, *, wrap: bytes | None = None, below: bytes | None = None) -> Attempt:
    """Return an attempt at a disk format.

    With ``wrap``, the input is the file that the descriptor ``wrap`` names. Without, any name the
    input says leads to a file of the bytes ``below``, or else to itself under another name.
    """
    access = Access()

    def attempt(content: bytes) -> None:
        if wrap is None:
            gate = OneGate(content if below is None else below)
            tried(Memory(content, NAME), gate, name, access)
            tried(Memory(content, NAME), ClosedGate(), name, access)
        else:
            tried(Memory(wrap, "descriptor"), OneGate(content), name, access)

    return attempt


def tried(file: File, gate: Gate, name: str, access: Access) -> None:
    """Recognise, open, use and check a file as an image of the format ``name``."""
    known = format_named(name)
    known.recognise(file)
    with refusal():
        used(open_image(file, gate, format=name, access=access))
    with refusal():
        _checked(check_image(file, gate, known, access=access))
    if known.opens_snapshots:
        with refusal():
            used(open_image(file, gate, format=name, access=Access(snapshot="1")))


def used(image: Image) -> None:
    """Say what it is, walk its map, and read at its start, its end and its middle."""
    facts = image.facts
    json_text({"details": facts.details, "oddities": facts.oddities}).encode()
    assert image.size >= 0
    with refusal():
        for bitmap in bitmaps_of(image):
            list(islice(bitmap.runs(), MOST_RUNS))
    places: list[int] = []
    with refusal():
        for run in _covering(resolved(image, 0, image.size), image.size):
            if isinstance(run.source, Stored | Packed) and len(places) < 8:
                places.append(run.start)
    for at in (0, image.size // 2 & ~511, max(0, image.size - PART), *places):
        with refusal():
            length = max(0, min(PART, image.size - at))
            assert len(read(image, at, PART)) == length


def _covering(runs: Iterator[Run], size: int) -> Iterator[Run]:
    """Yield some runs, which must ascend without gaps."""
    at = 0
    for run in islice(runs, MOST_RUNS):
        assert run.length > 0, run
        assert run.start <= at < run.stop, (at, run)
        if isinstance(run.source, Packed):
            assert run.length <= LARGEST_PIECE, run
        if isinstance(run.source, Stored | Packed):
            assert run.source.offset >= 0, run
        at = run.stop
        yield run
        if at >= size:
            return


def _checked(checked: Checked) -> None:
    """Say all that a check found."""
    for problem in checked.problems:
        printable(str(problem)).encode()
    for lost in checked.lost:
        assert lost.start >= 0, lost
        assert lost.length > 0, lost


def any_format(content: bytes) -> None:
    """Let the format be recognised, as if the name said nothing."""
    file = Memory(content, NAME)
    with refusal():
        used(open_image(file, ClosedGate(), format=format_of(file).name))


def manifest(content: bytes) -> None:
    """Read the manifest of a disk, twice."""
    file = Memory(content, NAME)
    with refusal():
        is_manifest(file)
        for _ in Manifest(file).entries():
            pass


def tar(content: bytes) -> None:
    """Index a tar and read the start of each of its members."""
    file = Memory(content, NAME)
    with refusal():
        archive = read_archive(file)
        for member in archive.members[:MOST_RUNS]:
            archive.window(member).pread(0, 512)


def journal(content: bytes) -> None:
    """Read the journal of an interrupted copy, which says what the next run need not do."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        found = Journal(Path(file.name), ABOUT)
        if found.continues:
            for record in found.past():
                assert record.stop >= 0
