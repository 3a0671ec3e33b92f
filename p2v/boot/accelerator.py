"""Which accelerator to boot with: the best one that really runs a guest here."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from converters import qemu_probe
from converters.qemu_command import PROGRAM, Accelerator
from p2v.boot.emulator import lifeline
from rehost import programs
from rehost.errors import EnvironmentFailureError

KVM = Path("/dev/kvm")


def accelerator(wish: Accelerator | None) -> Accelerator:
    """Return the accelerator wished for, or KVM where it works and TCG elsewhere."""
    programs.find(PROGRAM, package="qemu-system-x86")
    if wish is Accelerator.TCG or (wish is None and not kvm_runs()):
        return Accelerator.TCG
    if not kvm_runs():
        raise EnvironmentFailureError(
            "KVM runs no guest here",
            where=str(KVM),
            hint="Pass --accel tcg, which is slow and works everywhere.",
        )
    return Accelerator.KVM


@cache
def kvm_runs() -> bool:
    """Say whether KVM runs a small guest to its end within five seconds."""
    return os.access(KVM, os.R_OK | os.W_OK) and runs(Accelerator.KVM)


def runs(which: Accelerator) -> bool:
    """Run the probe, giving up on a QEMU that hangs even when it cannot be killed."""
    with tempfile.TemporaryDirectory(prefix="rehost-probe-") as folder:
        firmware = Path(folder) / "probe.bin"
        firmware.write_bytes(qemu_probe.firmware())
        probe = subprocess.Popen(
            [*lifeline(), *qemu_probe.arguments(which, str(firmware))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return probe.wait(qemu_probe.SECONDS) == qemu_probe.EXIT_CODE
        except subprocess.TimeoutExpired:
            return False
        finally:
            if probe.poll() is None:
                os.killpg(probe.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):
                    probe.wait(1)
