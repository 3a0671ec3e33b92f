"""However a conversion ends, no half result bears a final name, and the next run succeeds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.packages import MIB, REHOST, rehost

SIZE = 768 * MIB
RESULTS = {"big-disk1.qcow2", "big.sh"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a disk large enough to be caught in the middle."""
    path = tmp_path_factory.mktemp("source") / "big.raw"
    block = random.Random(7).randbytes(4 * MIB)
    with path.open("wb") as file:
        for number in range(SIZE // len(block)):
            file.write(number.to_bytes(8, "little") + block[8:])
    return path


@pytest.fixture(scope="module", autouse=True)
def _tidy(source: Path) -> Iterator[None]:
    yield
    source.unlink()


def interrupted(source: Path, out: Path, number: signal.Signals) -> tuple[int, str]:
    """Send a signal as soon as the disk is being written; return exit code and last words."""
    argv = (REHOST, "convert", source, "--to", "qemu", "-o", out)
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not _writing(out):
        assert process.poll() is None, "it ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def _writing(out: Path) -> bool:
    return any(path.stat().st_blocks > 0 for path in out.glob(".rehost-partial*/*.qcow2"))


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "\nerror: interrupted\n"), (signal.SIGTERM, 143, "")],
)
def test_a_run_that_is_told_to_stop_leaves_nothing(
    source: Path, tmp_path: Path, number: signal.Signals, code: int, words: str
) -> None:
    out = tmp_path / "out"
    assert interrupted(source, out, number) == (code, words)
    assert not out.exists()


def test_what_a_killed_run_leaves_is_no_result_and_the_next_run_removes_it(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, _ = interrupted(source, out, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert {path.name for path in out.iterdir()}.isdisjoint(RESULTS)
    said = rehost("convert", source, "--to", "qemu", "-o", out)
    assert said.code == 0
    assert {path.name for path in out.iterdir()} == RESULTS
    compare = ("qemu-img", "compare", source, out / "big-disk1.qcow2")
    assert subprocess.run(compare, check=False, capture_output=True).returncode == 0


def test_two_runs_at_one_place_do_not_mix(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    argv = (REHOST, "convert", source, "--to", "qemu", "-o", out)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as first:
        while not _writing(out):
            assert first.poll() is None
            time.sleep(0.001)
        first.send_signal(signal.SIGSTOP)
        second = rehost("convert", source, "--to", "qemu", "-o", out)
        first.send_signal(signal.SIGCONT)
        assert (second.code, second.err) == (
            6,
            f"error: {out}: another run is writing here\nhint: Wait until it ends.\n",
        )
        assert first.wait(60) == 0
    assert {path.name for path in out.iterdir()} == RESULTS


def test_what_is_there_is_not_replaced_without_force(source: Path, tmp_path: Path) -> None:
    (tmp_path / "big-disk1.qcow2").write_bytes(b"mine")
    said = rehost("convert", source, "--to", "qemu", "-o", tmp_path)
    assert (said.code, said.err) == (
        6,
        f"error: {tmp_path}/big-disk1.qcow2: exists already\n"
        "hint: Name another output, or pass --force to replace it.\n",
    )
    assert (tmp_path / "big-disk1.qcow2").read_bytes() == b"mine"


@pytest.mark.root
def test_a_full_disk_ends_in_one_line_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", small], check=True)
    try:
        said = rehost("convert", source, "--to", "qemu", "-o", small / "out")
        left = list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)
    place = small / "out" / "big-disk1.qcow2"
    assert (said.code, said.err) == (
        5,
        f"error: {place}: cannot be written (No space left on device)\n"
        "hint: Free some space, or write to another disk; nothing was left behind.\n",
    )
    assert left == []
