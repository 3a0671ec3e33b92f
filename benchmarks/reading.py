"""Disks read to their end: rehost's digest and comparison against ``sha256sum`` and ``cmp``.

``python -m benchmarks.reading [--json FILE] [WORK...]``. The disk is raw, half of it random and
half text, and wholly in the page cache. Each work is done on one processor and on two.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.measure import Comparison, Contestant, as_json, compare, program, table

SIZE = 4 << 30
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Work:
    """What both do, on which processors, and how the peer is called."""

    name: str
    ours: tuple[str, ...]
    peer: str
    files: tuple[str, ...]
    processors: str


DIGEST, PLAIN = ("digest",), ("digest", "--plain")
ONE, BOTH = ("disk.raw",), ("disk.raw", "same.raw")
WORKS = (
    Work("digest, one core", DIGEST, "sha256sum", ONE, "0"),
    Work("digest, two cores", DIGEST, "sha256sum", ONE, "0,1"),
    Work("digest --plain, two cores", PLAIN, "sha256sum", ONE, "0,1"),
    Work("digest, one core, against openssl", DIGEST, "openssl", ONE, "0"),
    Work("digest, two cores, against openssl", DIGEST, "openssl", ONE, "0,1"),
    Work("compare, one core", ("compare",), "cmp", BOTH, "0"),
    Work("compare, two cores", ("compare",), "cmp", BOTH, "0,1"),
)


def build(folder: Path) -> None:
    """Make two disks with the same content."""
    pick = Random(1)
    text = b"".join(b"line %d of a text that is read again\n" % number for number in range(40_000))
    with (folder / "disk.raw").open("wb") as file:
        for _ in range(SIZE // BLOCK // 2):
            file.write(pick.randbytes(BLOCK))
            file.write(text[:BLOCK])
    subprocess.run([program("cp"), str(folder / "disk.raw"), str(folder / "same.raw")], check=True)


def measured(work: Work, folder: Path) -> Comparison:
    """Compare both at one piece of work."""
    files = tuple(str(folder / name) for name in work.files)
    pinned = (program("taskset"), "-c", work.processors)
    rehost = str(Path(sys.executable).with_name("rehost"))
    ours = (*pinned, rehost, "--progress", "none", "disk", *work.ours, *files)
    words = ("dgst", "-sha256") if work.peer == "openssl" else ()
    theirs = (*pinned, program(work.peer), *words, *files)
    return compare(
        work.name,
        Contestant("rehost", (ours,), folder),
        Contestant(work.peer, (theirs,), folder),
        clean=lambda: None,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    parser.add_argument("work", nargs="*", help="only work whose name contains this")
    chosen = parser.parse_args(arguments)
    comparisons = []
    with tempfile.TemporaryDirectory(prefix="rehost-bench-") as name:
        build(Path(name))
        for work in WORKS:
            if not chosen.work or any(part in work.name for part in chosen.work):
                comparisons.append(measured(work, Path(name)))
                print(table(comparisons[-1:]).splitlines()[-1], flush=True)
    print(f"\n{table(comparisons)}")
    if chosen.json:
        chosen.json.write_text(as_json(comparisons))


if __name__ == "__main__":
    main()
