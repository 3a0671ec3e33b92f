"""Fuzz one parser: ``python -m tests.fuzz TARGET``; ``make fuzz`` runs them all for long.

With atheris, which sees which lines an input reaches, or without it by changing inputs at random.
An input that fails is saved in ``tests/fixtures/fuzz/TARGET``, where the tests try it for ever.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.fuzz.bounds import bounded

if TYPE_CHECKING:
    from tests.fuzz.ready import Ready

ROOT = Path(__file__).parents[2]
FAILED = ROOT / "tests" / "fixtures" / "fuzz"
CORPUS = ROOT / ".cache" / "fuzz"
ATHERIS = "atheris"
LONGEST_STALL = 60
LARGEST_KEPT = 400
LARGEST_SEED = 32 << 10


def main() -> int:
    """Run a target; the exit code says whether an input failed."""
    asked = _arguments()
    if asked.list:
        sys.stdout.write("\n".join(import_module("tests.fuzz.targets").TARGETS) + "\n")
        return 0
    target = asked.target
    guided = asked.engine == ATHERIS
    if guided:
        with import_module(ATHERIS).instrument_imports(include=["converters", "rehost", "ovf"]):
            targets = import_module("tests.fuzz.targets").TARGETS
            # Most is imported when it is first needed; only what is imported here is watched.
            for package in ("converters.disks", "ovf"):
                folder = str(ROOT.joinpath(*package.split(".")))
                for module in walk_packages([folder], f"{package}."):
                    import_module(module.name)
    else:
        targets = import_module("tests.fuzz.targets").TARGETS
    with TemporaryDirectory(prefix="fuzz-") as place:
        ready = targets[target](Path(place))
        ready = ready._replace(seeds=[*ready.seeds, *more_seeds(asked.seeds)])
        if guided:
            _guided(target, ready, asked.seconds)
        return at_random(target, ready, asked.seconds, asked.seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--list", action="store_true", help="print the targets")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=Path, help="a folder of more inputs to begin with")
    usual = ATHERIS if find_spec(ATHERIS) else "random"
    parser.add_argument("--engine", choices=(ATHERIS, "random"), default=usual)
    asked = parser.parse_args()
    if asked.target is None and not asked.list:
        parser.error("name a target, or ask for the --list")
    return asked


def more_seeds(folder: Path | None) -> list[bytes]:
    """Return the small files in a folder and below."""
    found = sorted(folder.rglob("*")) if folder else []
    return [
        path.read_bytes()
        for path in found
        if path.is_file() and 0 < path.stat().st_size <= LARGEST_SEED
    ]


def _guided(target: str, ready: Ready, seconds: float) -> None:
    """Hand over to libFuzzer, which ends the process."""
    atheris = import_module(ATHERIS)
    corpus, failed = CORPUS / target, FAILED / target
    corpus.mkdir(parents=True, exist_ok=True)
    failed.mkdir(parents=True, exist_ok=True)
    for seed in ready.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)

    def one(content: bytes) -> None:
        with bounded():
            ready.attempt(content)

    def change(content: bytes, most: int, number: int) -> bytes:
        if number % 2:
            return bytes(atheris.Mutate(content, most))
        return ready.change(content, ready.seeds, Random(number))[:most]

    options = [
        f"-max_total_time={int(seconds)}",
        f"-timeout={LONGEST_STALL}",
        "-rss_limit_mb=2048",
        f"-max_len={2 * max(map(len, ready.seeds))}",
        f"-artifact_prefix={failed}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


def at_random(target: str, ready: Ready, seconds: float, number: int) -> int:
    """Change inputs at random until time is up, and tell each failure once, by its place."""
    pick, stop = Random(number), time.monotonic() + seconds
    pool, told, count = list(ready.seeds), set[str](), 0
    for seed in ready.seeds:
        ready.attempt(seed)
    while not count or time.monotonic() < stop:
        content = ready.change(pick.choice(pool), pool, pick)
        count += 1
        try:
            with bounded():
                ready.attempt(content)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            place = _place(error)
            if place not in told:
                told.add(place)
                _tell(target, content)
        if len(pool) < LARGEST_KEPT and not count % 50:
            pool.append(content)
    sys.stdout.write(f"{target}: {count} inputs, {len(told)} failures\n")
    return int(bool(told))


def _place(error: BaseException) -> str:
    """Return what tells one failure from another: its kind, and where our code was."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((each for each in reversed(frames) if "tests" not in each.filename), frames[-1])
    return f"{type(error).__name__} {last.filename}:{last.lineno}"


def _tell(target: str, content: bytes) -> None:
    """Save an input that failed and say how."""
    path = FAILED / target / hashlib.sha256(content).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sys.stdout.write(f"{traceback.format_exc(limit=-6)}saved: {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    sys.exit(main())
