"""Measuring whole commands in turn, A B A B: wall and processor time, peak memory, output size."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROUNDS = 5
ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
"""What the contestants get; the warm-up leaves compiled modules behind, as an installation does."""
MOST_SAID = 2000


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contestant; seconds, and bytes."""

    wall: float
    cpu: float
    memory: int
    output: int


@dataclass(frozen=True, slots=True)
class Contestant:
    """A command line, in steps run one after the other, and the file it leaves behind, if any.

    ``codes`` are the exit codes of a run that did its work.
    """

    name: str
    steps: tuple[tuple[str, ...], ...]
    output: Path | None = None
    codes: frozenset[int] = frozenset((0,))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians of two contestants at one piece of work; ``ratio`` is theirs / ours in wall time."""

    work: str
    ours: Run
    theirs: Run
    ratio: float


def compare(
    work: str, ours: Contestant, theirs: Contestant, *, clean: Callable[[], None]
) -> Comparison:
    """Run both in turn after a warm-up, and return their medians."""
    runs: dict[str, list[Run]] = {ours.name: [], theirs.name: []}
    for number in range(ROUNDS + 1):
        for contestant in (ours, theirs):
            clean()
            run = _run(contestant)
            if number:
                runs[contestant.name].append(run)
    mine, other = _median(runs[ours.name]), _median(runs[theirs.name])
    return Comparison(work, mine, other, other.wall / mine.wall)


def table(comparisons: Sequence[Comparison]) -> str:
    """Return comparisons as a table in Markdown."""
    rows = [
        f"| {each.work} | {each.ours.wall:.2f} s | {each.theirs.wall:.2f} s "
        f"| **{each.ratio:.1f} x** | {each.ours.memory >> 20} MiB "
        f"| {_share(each)} |"
        for each in comparisons
    ]
    head = "| work | rehost | peer | ratio | peak memory | output against the peer's |"
    return "\n".join([head, "| --- " * 6 + "|", *rows])


def _share(comparison: Comparison) -> str:
    ours, theirs = comparison.ours.output, comparison.theirs.output
    return f"{ours / theirs:.2f}" if theirs else ""


def as_json(comparisons: Sequence[Comparison]) -> str:
    """Return comparisons as JSON."""
    return json.dumps([asdict(each) for each in comparisons], indent=2)


def _run(contestant: Contestant) -> Run:
    wall = cpu = 0.0
    memory = 0
    for step in contestant.steps:
        began = time.perf_counter()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(step, stdout=subprocess.DEVNULL, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            if os.waitstatus_to_exitcode(status) not in contestant.codes:
                said.seek(0)
                last = said.read()[-MOST_SAID:].decode(errors="replace")
                raise SystemExit(f"{contestant.name} failed: {' '.join(step)[:200]}\n{last}")
        wall += time.perf_counter() - began
        cpu += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss << 10)
    output = contestant.output.stat().st_blocks * 512 if contestant.output else 0
    return Run(wall, cpu, memory, output)


def _median(runs: Sequence[Run]) -> Run:
    return Run(
        statistics.median(run.wall for run in runs),
        statistics.median(run.cpu for run in runs),
        max(run.memory for run in runs),
        runs[-1].output,
    )


def program(name: str) -> str:
    """Return the path of a program, or end the benchmark saying that it is missing."""
    path = shutil.which(name)
    if path is None:
        raise SystemExit(f"{name} is needed for this benchmark")
    return path
