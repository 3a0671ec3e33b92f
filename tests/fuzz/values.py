"""Changes to a JSON document as its reader sees it: members and elements rather than bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

from tests.fuzz.mutation import mutated
from tests.fuzz.trees import WORDS

AS_BYTES = 0.2
NUMBERS = (0, 1, -1, 255, 65536, 1 << 31, (1 << 53) + 1, 1 << 63, 1 << 64, 10**30, 1.5, -0.0, 1e300)
PLAIN: tuple[object, ...] = (None, True, False, [], {}, [[]], "\x00", "\x0b")


def changed(content: bytes, others: Sequence[bytes], pick: Random) -> bytes:
    """Return a document with one to four changes; what is none is changed as bytes are."""
    try:
        document = None if pick.random() < AS_BYTES else json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict | list):
        return mutated(content, others, pick)
    for _ in range(pick.randint(1, 4)):
        _change(document, pick)
    return json.dumps(document).encode()


def _change(document: dict[str, Any] | list[Any], pick: Random) -> None:
    """Replace, remove or double one value somewhere below."""
    homes = [each for each in _homes(document) if each]
    if not homes:
        return
    home = pick.choice(homes)
    kind = pick.randrange(6)
    key: Any = pick.choice(list(home)) if isinstance(home, dict) else pick.randrange(len(home))
    if kind == 0:
        del home[key]
    elif kind == 1 and isinstance(home, list):
        home.insert(key, deepcopy(home[key]))
    elif kind == 2:
        other = pick.choice(homes)
        found: list[Any] = list(other.values()) if isinstance(other, dict) else other
        home[key] = deepcopy(pick.choice(found))
    else:
        home[key] = pick.choice((*NUMBERS, *PLAIN, *WORDS))


def _homes(document: Any) -> list[dict[str, Any] | list[Any]]:
    found = [document] if isinstance(document, dict | list) else []
    below = document.values() if isinstance(document, dict) else document
    for each in below if found else ():
        found += _homes(each)
    return found
