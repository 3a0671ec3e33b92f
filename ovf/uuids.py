"""UUIDs, which every vendor spells in a way of its own."""

from __future__ import annotations

from itertools import pairwise

HEX = "0123456789abcdef"


def canonical_uuid(text: str | None) -> str | None:
    """Return a UUID as the neutral machine spells it; None for anything that is none."""
    digits = "".join(letter for letter in (text or "").lower() if letter not in "{}- ")
    if len(digits) != 32 or digits.strip(HEX):
        return None
    cuts = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[a:b] for a, b in pairwise(cuts))
