"""Tables of qcow2 in any order, with gaps between them, against a model entry by entry."""

from __future__ import annotations

import struct
from random import Random
from unittest.mock import patch

import pytest

from converters.disks.formats.qcow2 import mapping
from converters.disks.gate import ClosedGate
from converters.disks.image import Image, Packed, Stored, Zero
from converters.disks.registry import open_image
from rehost.files import File
from tests.support.models import Memory

CLUSTER = 512
PER_TABLE = 64
Model = dict[int, tuple[str, int]]


class Sparse(Memory):
    """A file whose data is a hole far larger than its tables."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content, "a.qcow2")
        self.size = size


def built(pick: Random, tables: int) -> tuple[File, Model, int]:
    """Build an image with some of its tables, each partly filled, and return what it maps."""
    model: Model = {}
    present = sorted(pick.sample(range(tables), tables * 2 // 3))
    order = pick.sample(present, len(present))
    l1_at, data_at = CLUSTER, 4096 * CLUSTER
    spread = pick.choice((1, 1, 20))
    first_table = l1_at + -(-tables * 8 // CLUSTER) * CLUSTER
    places = {table: first_table + n * spread * CLUSTER for n, table in enumerate(order)}
    content = bytearray(max(places.values()) + CLUSTER)
    size = tables * PER_TABLE * CLUSTER - pick.choice((0, 512, 9 * 512))
    basic = (b"QFI\xfb", 3, 0, 0, 9, size, 0, tables, l1_at, 0, 0, 0, 0)
    struct.pack_into(">4sIQIIQIIQQIIQ", content, 0, *basic)
    struct.pack_into(">QQQII", content, 72, 0, 0, 0, 4, 104)
    host = 0
    for table in present:
        struct.pack_into(">Q", content, l1_at + table * 8, places[table] | 1 << 63)
        for index in range(PER_TABLE):
            kind = pick.choice(("absent", "absent", "stored", "stored", "stored", "zero", "packed"))
            if kind == "absent" or (table * PER_TABLE + index) * CLUSTER >= size:
                continue
            host += pick.choice((1, 1, 1, 5))
            place = data_at + host * CLUSTER
            entry = {"stored": place | 1 << 63, "zero": 1, "packed": 1 << 62 | place + 77}[kind]
            struct.pack_into(">Q", content, places[table] + index * 8, entry)
            at = {"stored": place, "zero": 0, "packed": place + 77}[kind]
            model[table * PER_TABLE + index] = (kind, at)
    return Sparse(bytes(content), data_at + (host + 9) * CLUSTER), model, size


def walked(image: Image, start: int, stop: int) -> Model:
    """Return the runs of a window cluster by cluster, checking that they touch and cover it."""
    found: Model = {}
    reached = None
    for run in image.runs(start, stop):
        assert run.length > 0
        assert run.start <= start if reached is None else run.start == reached
        reached = run.stop
        for at in range(run.start, run.stop, CLUSTER):
            match run.source:
                case Stored(_, offset):
                    found[at // CLUSTER] = ("stored", offset + at - run.start)
                case Packed(_, offset, _, _):
                    found[at // CLUSTER] = ("packed", offset)
                case Zero():
                    found[at // CLUSTER] = ("zero", 0)
    assert reached is not None
    assert reached >= min(stop, image.size)
    return found


@pytest.mark.parametrize("chunk", [100, 640, 1 << 18])
@pytest.mark.parametrize("seed", range(6))
def test_every_window_is_mapped_as_its_entries_say(seed: int, chunk: int) -> None:
    pick = Random(seed)
    file, model, size = built(pick, pick.choice((3, 30, 300)))
    with patch.object(mapping, "CHUNK", chunk):
        image = open_image(file, ClosedGate(), format="qcow2")
        total = -(-size // CLUSTER)
        absent = ("zero", 0)
        everything = walked(image, 0, size)
        assert everything == {number: model.get(number, absent) for number in range(total)}
        for _ in range(20):
            first = pick.randrange(size)
            last = min(size, first + pick.choice((1, 3000, 100_000, size)))
            for number, found in walked(image, first, last).items():
                assert found == model.get(number, absent)
