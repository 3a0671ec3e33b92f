"""Booting a disk under QEMU and reading what it says, with nothing of the product in between."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from rehost.errors import EnvironmentFailureError
from rehost.machine import Firmware
from rehost.programs import find

MEMORY_MIB = 512
OVMF = Path("/usr/share/OVMF")
ESCAPES = re.compile(r"\x1b\[[0-9;=?]*[A-Za-z]")
"""What boot loaders and firmware paint the screen with."""

POLL_SECONDS = 0.2
BUSES = {
    "ide": ("-device", "ide-hd,drive=root,bus=ide.0"),
    "ahci": ("-device", "ahci,id=ahci", "-device", "ide-hd,drive=root,bus=ahci.0"),
    "virtio": ("-device", "virtio-blk-pci,drive=root"),
    "virtio-scsi": ("-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=root"),
    "lsilogic": ("-device", "lsi53c895a", "-device", "scsi-hd,drive=root"),
    "lsilogicsas": (
        "-device",
        "mptsas1068",
        "-device",
        "scsi-hd,drive=root,wwn=0x5000c500152d0001",
    ),
    "pvscsi": ("-device", "pvscsi", "-device", "scsi-hd,drive=root"),
    "nvme": ("-device", "nvme,drive=root,serial=1"),
}
"""How a drive called ``root`` is hung on each bus. QEMU's SAS shows Linux no disk without a WWN."""


def boot(
    disk: Path,
    *extra: str,
    bus: str = "ide",
    firmware: Firmware = Firmware.BIOS,
    until: str = "login:",
    seconds: float = 180,
    power_button: bool = False,
) -> str:
    """Boot a raw disk until ``until`` is on the serial console; return all that was said there.

    With ``power_button``, press it then and wait until the machine is off. The disk is not written
    to. Fails when the machine stops by itself, or says nothing of the kind in time.
    """
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "serial.log"
        argv = [
            *(find("qemu-system-x86_64", package="qemu-system-x86"), "-accel", "tcg"),
            *("-m", str(MEMORY_MIB), "-display", "none", "-monitor", "stdio", "-no-reboot"),
            *("-snapshot", "-serial", f"file:{log}", *_flash(firmware, Path(scratch))),
            *("-drive", f"file={disk},format=raw,if=none,id=root", *BUSES[bus], *extra),
        ]
        machine = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            said = _read_until(log, until, time.monotonic() + seconds, machine)
            if not power_button:
                return said
            machine.communicate(b"system_powerdown\n", timeout=seconds)
            return log.read_text(errors="replace")
        finally:
            machine.kill()
            machine.communicate()


def _read_until(log: Path, wanted: str, deadline: float, machine: subprocess.Popen[bytes]) -> str:
    while True:
        ended = machine.poll() is not None
        said = log.read_text(errors="replace") if log.exists() else ""
        if wanted in said:
            return ESCAPES.sub("", said)
        if ended:
            error = machine.stderr.read().decode().strip() if machine.stderr else ""
            raise EnvironmentFailureError(f"the machine stopped ({error or said[-500:]!r})")
        if time.monotonic() > deadline:
            raise EnvironmentFailureError(f"{wanted!r} did not come ({said[-500:]!r})")
        time.sleep(POLL_SECONDS)


def _flash(firmware: Firmware, scratch: Path) -> list[str]:
    """Return the options for UEFI: its code, and a writable copy of its variables."""
    if firmware is Firmware.BIOS:
        return []
    variables = shutil.copyfile(OVMF / "OVMF_VARS_4M.fd", scratch / "variables.fd")
    code = OVMF / "OVMF_CODE_4M.fd"
    return [
        *("-drive", f"if=pflash,format=raw,readonly=on,file={code}"),
        *("-drive", f"if=pflash,format=raw,file={variables}"),
    ]
