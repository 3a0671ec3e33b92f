"""Does an accelerator really run a guest here? A guest of five instructions knows.

That /dev/kvm can be opened says little: access may be refused later, and inside another virtual
machine KVM may interpret the guest's code instead of running it, in which case it stops at the
first floating point instruction, or hangs. So the probe is firmware which resets the floating
point unit and then tells QEMU, by the ``isa-debug-exit`` device, to end with ``EXIT_CODE``.
"""

from __future__ import annotations

from converters.qemu_command import PROGRAM, Accelerator

SECONDS = 5
SIZE = 1 << 16
RESET_VECTOR = SIZE - 16
FNINIT = b"\xdb\xe3"
SAY_42 = b"\xb0\x2a\xe6\xf4"
HALT = b"\xf4"
CODE = FNINIT + SAY_42 + HALT
PORT = "0xf4"
EXIT_CODE = 42 << 1 | 1


def firmware() -> bytes:
    """Return the probe, whose code lies where an x86 processor starts."""
    return (b"\0" * RESET_VECTOR + CODE).ljust(SIZE, b"\0")


def arguments(accelerator: Accelerator, firmware_at: str) -> list[str]:
    """Return QEMU's command line for the probe."""
    cpu = "host" if accelerator is Accelerator.KVM else "max"
    return [
        *[PROGRAM, "-accel", str(accelerator), "-cpu", cpu, "-machine", "pc", "-m", "1M"],
        *["-nodefaults", "-no-user-config", "-vga", "none", "-display", "none"],
        *["-device", f"isa-debug-exit,iobase={PORT}", "-bios", firmware_at],
    ]
