"""Rows of choices in which every two values of different factors meet, where they can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

Row = dict[str, str]
Pair = frozenset[tuple[str, str]]
TRIES = 8
GREEDY = 2


@dataclass(slots=True)
class Rows:
    """What covers all pairs: ``refused`` says of each pair in no row what was said against it."""

    rows: list[Row] = field(default_factory=list)
    refused: dict[Pair, str] = field(default_factory=dict)


class Pairwise:
    """Finds rows; the first value of a factor is its default.

    ``objection`` says what is wrong with a row, or None; it is asked once of each.
    """

    def __init__(
        self,
        factors: Mapping[str, Sequence[str]],
        objection: Callable[[Row], str | None],
        seed: int = 1,
    ) -> None:
        self._factors = factors
        self._objection = objection
        self._pick = Random(seed)
        self._said: dict[frozenset[tuple[str, str]], str | None] = {}
        self._default = {name: values[0] for name, values in factors.items()}

    def rows(self) -> Rows:
        """Return the rows that cover every pair that any row can have."""
        found = Rows()
        wanted = [
            frozenset({(one, value), (other, value2)})
            for one, other in combinations(self._factors, 2)
            for value in self._factors[one]
            for value2 in self._factors[other]
        ]
        self._pick.shuffle(wanted)
        open_pairs = dict.fromkeys(wanted)
        while open_pairs:
            pair = next(iter(open_pairs))
            row = self._sound_row(pair)
            if row is None:
                found.refused[pair] = self._ask({**self._default, **dict(pair)}) or "?"
                del open_pairs[pair]
                continue
            row = self._enriched(row, pair, open_pairs)
            found.rows.append(row)
            for each in pairs_of(row):
                open_pairs.pop(each, None)
        return found

    def _ask(self, row: Row) -> str | None:
        key = frozenset(row.items())
        if key not in self._said:
            self._said[key] = self._objection(row)
        return self._said[key]

    def _sound_row(self, pair: Pair) -> Row | None:
        """Return a row with a pair: few other values than the defaults, or many."""
        for row in self._candidates(pair):
            if self._ask(row) is None:
                return row
        return None

    def _candidates(self, pair: Pair) -> Iterable[Row]:
        row = {**self._default, **dict(pair)}
        yield row
        free = [name for name in self._factors if name not in dict(pair)]
        for name in free:
            for value in self._factors[name][1:]:
                yield {**row, name: value}
        for _ in range(TRIES if free else 0):
            changed = self._pick.sample(free, min(2, len(free)))
            yield {**row, **{name: self._pick.choice(self._factors[name]) for name in changed}}

    def _enriched(self, row: Row, pair: Pair, open_pairs: Mapping[Pair, None]) -> Row:
        """Change what the pair leaves free so that more open pairs are in the row."""
        free = [name for name in self._factors if name not in dict(pair)]
        self._pick.shuffle(free)
        for name in free:
            changed = [{**row, name: value} for value in self._factors[name] if value != row[name]]
            gains = [(sum(each in open_pairs for each in pairs_of(one)), one) for one in changed]
            least = sum(each in open_pairs for each in pairs_of(row))
            better = sorted((gain for gain in gains if gain[0] > least), key=lambda gain: -gain[0])
            for _, candidate in better[:GREEDY]:
                if self._ask(candidate) is None:
                    row = candidate
                    break
        return row


def pairs_of(row: Row) -> list[Pair]:
    """Return every two choices of a row."""
    return [frozenset(pair) for pair in combinations(row.items(), 2)]
