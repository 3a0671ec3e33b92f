"""QEMU never outlives the boot, however the boot ends, and its silences are understood."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from converters.qemu_command import Accelerator
from converters.qemu_storage import Drive
from p2v.boot import emulator
from p2v.boot.emulator import Emulator, EmulatorGoneError
from p2v.boot.trial import boot
from rehost.verdict import Cause, Verdict
from tests.p2v.boot.conftest import MACHINE
from tests.support import boot_sectors

pytestmark = pytest.mark.qemu

REPOSITORY = Path(__file__).parents[3]
CHILD = """
import signal, sys
from pathlib import Path
from converters.qemu_command import Accelerator
from converters.qemu_storage import Drive
from p2v.boot.trial import boot
from tests.p2v.boot.conftest import MACHINE

if sys.argv[1] == "handled":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
folder = Path(sys.argv[2])
drive = Drive(str(folder / "disk.raw"))
options = {"timeout": 60, "wish": Accelerator.TCG, "tell": lambda text: print(text, flush=True)}
boot(MACHINE, [drive], evidence=folder / "evidence", **options)
"""
HANGING = boot_sectors.sector(b"")
PLAIN = ["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-display", "none"]


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def emulators(folder: Path) -> list[int]:
    """Return the QEMUs alive that were started with a file of ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"qemu-system") and os.fsencode(folder) in command:
            found.append(int(process.name))
    return found


def started(folder: Path, how: str) -> subprocess.Popen[bytes]:
    """Start a boot in a process of its own and wait until its guest has begun."""
    boot_sectors.disk(folder / "disk.raw", HANGING)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, how, str(folder)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    staging = folder / "evidence" / ".rehost-partial-boot"
    assert eventually((staging / "look.png").exists)
    assert len(emulators(folder)) == 1
    return child


@pytest.mark.parametrize(
    ("number", "how", "code"),
    [
        pytest.param(signal.SIGINT, "plain", None, id="interrupted"),
        pytest.param(signal.SIGTERM, "handled", 143, id="terminated"),
    ],
)
def test_an_ordered_end_takes_qemu_and_all_files_along(
    tmp_path: Path, number: signal.Signals, how: str, code: int | None
) -> None:
    child = started(tmp_path, how)
    child.send_signal(number)
    assert child.wait(15) == (code or -number)
    assert emulators(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["disk.raw"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sudden_end_takes_qemu_along(tmp_path: Path, number: signal.Signals) -> None:
    child = started(tmp_path, "plain")
    child.send_signal(number)
    assert child.wait(15) == -number
    assert eventually(lambda: emulators(tmp_path) == [])


def test_what_a_killed_boot_left_is_removed_by_the_next(tmp_path: Path) -> None:
    child = started(tmp_path, "plain")
    child.kill()
    child.wait(15)
    assert (tmp_path / "evidence" / ".rehost-partial-boot").exists()
    boot_sectors.disk(tmp_path / "disk.raw")
    assert attempt(tmp_path).cause is Cause.NO_BOOT_DEVICE
    assert sorted(path.name for path in (tmp_path / "evidence").iterdir()) == [
        "command.txt",
        "screen.png",
        "serial.log",
    ]


def attempt(folder: Path, timeout: float = 30.0) -> Verdict:
    drive = Drive(str(folder / "disk.raw"))
    evidence = folder / "evidence"
    return boot(MACHINE, [drive], evidence=evidence, timeout=timeout, wish=Accelerator.TCG)


def test_a_failure_while_watching_ends_qemu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Emulator) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Emulator, "trouble", broken)
    boot_sectors.disk(tmp_path / "disk.raw", HANGING)
    with pytest.raises(ZeroDivisionError):
        attempt(tmp_path)
    assert emulators(tmp_path) == []


def test_a_qemu_killed_from_outside_has_failed(tmp_path: Path) -> None:
    verdict = signalled(tmp_path, signal.SIGKILL)
    assert (verdict.cause, verdict.evidence) == (
        Cause.EMULATOR_FAILED,
        "QEMU ended with exit code -9",
    )


def test_a_qemu_terminated_from_outside_has_not_been_switched_off(tmp_path: Path) -> None:
    verdict = signalled(tmp_path, signal.SIGTERM)
    expected = f"qemu-system-x86_64: terminating on signal 15 from pid {os.getpid()}"
    assert verdict.cause is Cause.EMULATOR_FAILED
    assert verdict.evidence.startswith(expected)


def test_a_qemu_that_hangs_is_given_up_and_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "ANSWER_SECONDS", 1)
    monkeypatch.setattr(emulator, "KILL_SECONDS", 1)
    verdict = signalled(tmp_path, signal.SIGSTOP)
    assert verdict.cause is Cause.EMULATOR_FAILED
    expected = "QEMU does not do as asked (query-status: no answer within 1 s)"
    assert verdict.evidence == expected
    assert emulators(tmp_path) == []


def signalled(folder: Path, number: signal.Signals) -> Verdict:
    """Boot, and send QEMU a signal three seconds later."""
    boot_sectors.disk(folder / "disk.raw", HANGING)
    timer = Timer(3, lambda: os.kill(emulators(folder)[0], number))
    timer.start()
    try:
        return attempt(folder)
    finally:
        timer.cancel()


def test_a_machine_qemu_stopped_by_itself_is_trouble(tmp_path: Path) -> None:
    disk = boot_sectors.disk(tmp_path / "disk.raw")
    failing = (
        "if=none,id=d,driver=blkdebug,inject-error.0.event=none,inject-error.0.iotype=read,"
        f"image.driver=file,image.filename={disk},rerror=stop,werror=stop"
    )
    argv = [*PLAIN, "-drive", failing, "-device", "ide-hd,drive=d"]

    async def watch() -> str | None:
        async with Emulator(argv, tmp_path) as running:
            for _ in range(100):
                if trouble := await running.trouble():
                    return trouble
                await asyncio.sleep(0.1)
        return None

    assert asyncio.run(watch()) == "QEMU stopped the machine (io-error)"


def test_a_refused_order_names_itself(tmp_path: Path) -> None:
    async def order() -> None:
        async with Emulator([*PLAIN, "-S"], tmp_path) as running:
            await running.execute("no-such-order")

    with pytest.raises(EmulatorGoneError) as gone:
        asyncio.run(order())
    assert str(gone.value) == "no-such-order: The command no-such-order has not been found"
