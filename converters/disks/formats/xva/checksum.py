"""The checksum behind each chunk: SHA-1 up to XenServer 8.0, XXH64 in what came after it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from importlib import import_module

from rehost.errors import EnvironmentFailureError


class Kind(IntEnum):
    """Which checksum follows a chunk."""

    NONE = 0
    SHA1 = 1
    XXHASH = 2


SUFFIXES = {b".checksum": Kind.SHA1, b".xxhash": Kind.XXHASH}
LENGTHS = {Kind.SHA1: 40, Kind.XXHASH: 16}


def digest_of(kind: Kind, content: bytes | memoryview) -> str:
    """Return the digits that xapi writes for a chunk."""
    if kind is Kind.SHA1:
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return require_xxhash()(content).upper()


def can_verify(kind: Kind) -> bool:
    """Say whether a checksum can be computed here."""
    return kind is Kind.SHA1 or (kind is Kind.XXHASH and _xxhash() is not None)


def require_xxhash() -> Callable[[bytes | memoryview], str]:
    """Return what computes XXH64, refusing to go on without."""
    if (found := _xxhash()) is None:
        raise EnvironmentFailureError(
            "this kind of checksum needs xxhash", hint="Install it: pip install rehost[xva]."
        )
    return found


@cache
def _xxhash() -> Callable[[bytes | memoryview], str] | None:
    try:
        found: Callable[[bytes | memoryview], str] = import_module("xxhash").xxh64_hexdigest
    except ImportError:
        return None
    return found
