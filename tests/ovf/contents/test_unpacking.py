"""What a gzip stream is taken to be long before it has been unpacked."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import pytest

from ovf.contents.unpacking import foretold
from rehost.files import Held, Inflated

GIB = 1 << 30


@dataclass
class Ending:
    """A gzip stream of which only its size and its last four bytes matter."""

    size: int
    low: int
    name: str = "disk.gz"

    def pread(self, offset: int, length: int) -> bytes:
        assert (offset, length) == (self.size - 4, 4)
        return self.low.to_bytes(4, "little")

    def stretches(self, offset: int, length: int) -> None:
        raise AssertionError("nothing lies anywhere")


@pytest.mark.parametrize(
    ("packed", "plain", "capacity"),
    [
        (300, 1000, None),
        (300, 1000, 5000),
        (GIB, 3 * GIB, None),
        (GIB, 40 * GIB, 40 * GIB),
        (9 * GIB, 9 * GIB - 7, 40 * GIB),
        (9 * GIB, 10 * GIB, None),
        (4 * GIB + 1000, 4 * GIB + 500, None),
    ],
)
def test_a_size_is_found_out(packed: int, plain: int, capacity: int | None) -> None:
    found = foretold(Inflated(Ending(packed, plain % (4 * GIB)), "disk"), capacity)
    assert found.size == plain


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 100_000])
def test_whether_it_is_true_comes_out(content: bytes) -> None:
    found = foretold(Inflated(Held(gzip.compress(content), "disk.gz"), "disk"), None)
    assert (found.size, found.is_true, found.pread(0, 10)) == (len(content), True, content[:10])
    twice = Held(gzip.compress(content) + gzip.compress(b"abc"), "disk.gz")
    assert foretold(Inflated(twice, "disk"), None).is_true == (not content)


def test_what_is_shorter_than_any_gzip_stream_has_a_size() -> None:
    assert foretold(Inflated(Held(b"\1", "disk.gz"), "disk"), None).size == 1
