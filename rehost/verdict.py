"""What a boot test says of a machine: whether it came up, what stopped it, and the evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rehost.machine import Machine


class Cause(StrEnum):
    """How a boot ended. Everything but ``BOOTED`` is a failure of a known class.

    A UEFI shell is no boot device (firmware starts it when nothing else starts), GRUB's is a boot
    loader shell. A missing root file system also makes the kernel panic, and is what counts.
    """

    BOOTED = "booted"
    NO_BOOT_DEVICE = "no-boot-device"
    BOOT_LOADER_SHELL = "boot-loader-shell"
    KERNEL_PANIC = "kernel-panic"
    NO_ROOT_FILE_SYSTEM = "no-root-file-system"
    EMERGENCY_SHELL = "emergency-shell"
    NOTHING_ON_SCREEN = "nothing-on-screen"
    POWERED_OFF = "powered-off"
    EMULATOR_FAILED = "emulator-failed"
    TIMEOUT = "time-out"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one boot.

    ``evidence`` is the line that decided it; ``serial_log`` and ``screenshot`` are files kept.
    ``accelerator`` is what QEMU ran on ("kvm", "tcg").
    """

    machine: str
    cause: Cause
    evidence: str
    seconds: float
    accelerator: str
    serial_log: Path
    screenshot: Path | None = None

    @property
    def booted(self) -> bool:
        """Say whether the machine came up."""
        return self.cause is Cause.BOOTED


class Verify(Protocol):
    """Boots a converted machine: what the entry points of the group ``rehost.verify`` do."""

    def __call__(
        self,
        machine: Machine,
        folder: Path,
        evidence: Path,
        *,
        expect: re.Pattern[str] | None,
        seconds: float,
    ) -> Verdict:
        """Boot a machine whose files lie in ``folder``, and keep what was seen in ``evidence``.

        It has come up when ``expect`` is seen, or what usually says so, within so many seconds.
        """
