"""Properties of the engine, against images whose runs lie anywhere and in any order."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks import cells as engine
from converters.disks.cells import cells
from converters.disks.copy import copy
from converters.disks.image import (
    Facts,
    Image,
    Packed,
    Parent,
    Run,
    Stored,
    Zero,
    read,
    resolved,
)
from converters.disks.output import Output
from converters.disks.writer import Place
from tests.support.models import ModelImage, built, model_images

SECONDS = 240
UNITS = st.sampled_from([512, 4096, 65536, 2 << 20])
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Checked:
    """A writer that checks what the engine promises, and puts every byte at its own offset."""

    def __init__(self, unit: int, size: int) -> None:
        self.unit = unit
        self._size = size
        self._reached = 0
        self.finished = False

    def place(self, start: int, length: int) -> list[Place]:
        """Accept only ascending stretches of whole units; give them back in two parts."""
        assert start % self.unit == 0
        assert length > 0
        assert (start + length) % self.unit == 0 or start + length == self._size
        assert start >= self._reached
        assert not self.finished
        self._reached = start + length
        first = min(self.unit, length)
        places = [Place(start, first), Place(start + first, length - first)]
        return [place for place in places if place.length]

    def finish(self) -> None:
        """Be called once."""
        assert not self.finished
        self.finished = True


class CheckedPacked:
    """A writer that checks what the engine promises, and keeps every unit it packed, by zlib."""

    def __init__(self, unit: int, size: int) -> None:
        self.unit = unit
        self.places: list[tuple[int, int, int]] = []
        self.finished = False
        self._size = size
        self._reached = 0
        self._next = 0

    def pack(self, start: int, block: memoryview) -> bytes:
        """Accept only whole units that hold something, the last one of the disk excepted."""
        assert start % self.unit == 0
        assert len(block) == min(self.unit, self._size - start)
        assert any(block)
        return zlib.compress(block, 1)

    def append(self, start: int, packed: memoryview) -> int:
        """Accept only ascending units; leave a gap in the file now and then."""
        assert start >= self._reached
        assert not self.finished
        self._reached = start + self.unit
        at = self._next + (100 if start % (7 * self.unit) == 0 else 0)
        self._next = at + len(packed)
        self.places.append((start, at, len(packed)))
        return at

    def finish(self) -> None:
        """Be called once."""
        assert not self.finished
        self.finished = True


def copied(image: ModelImage, unit: int) -> bytes:
    with TemporaryDirectory() as folder, Output(Path(folder) / "out") as output:
        output.truncate(image.size)
        writer = Checked(unit, image.size)
        copy(image, writer, output)
        assert writer.finished
        return (Path(folder) / "out").read_bytes()


def packed_and_unpacked(image: ModelImage, unit: int) -> bytes:
    with TemporaryDirectory() as folder, Output(Path(folder) / "out") as output:
        writer = CheckedPacked(unit, image.size)
        copy(image, writer, output)
        assert writer.finished
        stored = (Path(folder) / "out").read_bytes()
    content = bytearray(image.size)
    for start, at, length in writer.places:
        plain = zlib.decompress(stored[at : at + length])
        content[start : start + len(plain)] = plain
    return bytes(content)


@many
@given(image=model_images(), data=st.data())
def test_any_request_to_any_chain_returns_its_content(
    image: ModelImage, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, image.size + 10))
    length = data.draw(st.integers(0, image.size + 10))
    assert read(image, offset, length) == image.content[offset : offset + length]


@dataclass(frozen=True, slots=True)
class Generous:
    """An image that yields all its runs, whatever window it is asked for."""

    inner: ModelImage

    @property
    def size(self) -> int:
        return self.inner.size

    @property
    def parent(self) -> Image | None:
        return self.inner.parent

    @property
    def facts(self) -> Facts:
        return self.inner.facts

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        del start, stop
        yield from self.inner.all_runs


@many
@given(image=model_images(), data=st.data())
def test_runs_outside_of_a_request_do_not_matter(image: ModelImage, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, image.size + 10))
    length = data.draw(st.integers(0, image.size + 10))
    assert read(Generous(image), offset, length) == image.content[offset : offset + length]


@many
@given(image=model_images(), data=st.data())
def test_resolved_runs_are_touching_and_without_parents(
    image: ModelImage, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, image.size))
    stop = data.draw(st.integers(start, image.size))
    at = start
    for run in resolved(image, start, stop):
        assert not isinstance(run.source, Parent)
        assert run.length > 0
        if isinstance(run.source, Packed):
            assert run.start <= at < run.stop
        else:
            assert run.start == at
            assert run.stop <= stop
        at = run.stop
    assert at >= stop


@many
@given(image=model_images(), unit=UNITS)
def test_copying_gives_the_content_whatever_the_unit(image: ModelImage, unit: int) -> None:
    assert copied(image, unit) == image.content


@many
@given(image=model_images(), unit=st.sampled_from([512, 4096, 65536]))
def test_packing_keeps_the_content_whatever_the_unit(image: ModelImage, unit: int) -> None:
    assert packed_and_unpacked(image, unit) == image.content


@many
@given(
    image=model_images(), unit=st.sampled_from([4096, 8192]), cell=st.sampled_from([8192, 65536])
)
def test_copying_gives_the_content_with_runs_over_many_cells(
    image: ModelImage, unit: int, cell: int
) -> None:
    with patch.object(engine, "CELL", cell):
        assert copied(image, unit) == image.content
        assert packed_and_unpacked(image, unit) == image.content


@many
@given(image=model_images(), unit=st.sampled_from([4096, 65536, 2 << 20]))
def test_cells_ascend_and_hold_every_run_with_data(image: ModelImage, unit: int) -> None:
    reached = 0
    held: set[int] = set()
    for cell in cells(image, unit):
        assert cell.start % unit == 0
        assert cell.start >= reached
        assert cell.stop % unit == 0 or cell.stop == image.size
        assert cell.stop - cell.start <= max(engine.CELL, unit)
        reached = cell.stop
        for run in cell.runs:
            assert isinstance(run.source, Stored | Packed)
            held.update(range(max(run.start, cell.start), min(run.stop, cell.stop), 512))
    for run in resolved(image, 0, image.size):
        if not isinstance(run.source, Zero):
            assert held & set(range(run.start, run.stop)) or run.length < 512


def test_nothing_is_written_for_stored_zeros() -> None:
    image = built([("stored", 1 << 20, 0), ("packed", 1 << 16, 0), ("zero", 5, 0)], None)
    with TemporaryDirectory() as folder, Output(Path(folder) / "out") as output:
        output.truncate(image.size)
        copy(image, Checked(4096, image.size), output)
        assert (Path(folder) / "out").stat().st_blocks == 0


def test_a_packed_run_over_the_edge_of_cells_is_written_on_both_sides() -> None:
    edge = engine.CELL
    image = built([("zero", edge - 5000, 0), ("packed", 10_000, 9), ("zero", edge, 0)], None)
    assert [(cell.start, cell.stop) for cell in cells(image, 4096)] == [
        (edge - 8192, edge),
        (edge, edge + 8192),
    ]
    assert copied(image, 4096) == image.content


@pytest.mark.parametrize("shift", [-1, 0, 1, 511, 512])
def test_the_last_bytes_of_a_parent_end_where_the_parent_ends(shift: int) -> None:
    parent = built([("packed", 8192 + shift, 3)], None)
    child = built([("parent", 20_000, 0)], parent)
    assert read(child, 0, 20_000) == bytes([3]) * (8192 + shift) + bytes(20_000 - 8192 - shift)
    assert copied(child, 4096) == child.content


def test_a_short_write_is_finished(tmp_path: Path) -> None:
    image = built([("stored", 300_000, 7), ("packed", 100_000, 8)], None)
    real = os.pwritev

    def stingy(fd: int, buffers: list[memoryview], offset: int) -> int:
        return real(fd, [buffers[0][:777]], offset)

    with patch("os.pwritev", stingy):
        assert copied(image, 4096) == image.content
        assert packed_and_unpacked(image, 4096) == image.content
