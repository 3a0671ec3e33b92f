"""What a target is: inputs to begin with, what is done with one, and how one is changed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzz.attempts import Attempt
from tests.fuzz.mutation import mutated

HARMLESS = 8
"""One input in so many is tried as it is, its checksums not repaired."""
Change = Callable[[bytes, Sequence[bytes], Random], bytes]


class Ready(NamedTuple):
    """A target that can be run."""

    seeds: list[bytes]
    attempt: Attempt
    change: Change = mutated


Target = Callable[[Path], Ready]


def repaired(repair: Callable[[bytes], bytes], attempt: Attempt) -> Attempt:
    """Return an attempt at inputs whose checksums are made true first."""
    return lambda content: attempt(repair(content) if is_repaired(content) else content)


def is_repaired(content: bytes) -> bool:
    """Say whether an input is one of the many that are repaired."""
    return zlib.crc32(content) % HARMLESS > 0
