"""Boot a machine under QEMU, watch it, and judge.

Nothing is written to the machine's disks: what the guest writes goes to overlays that QEMU keeps
in a folder of ours, unlinked as soon as they are open. The guest gets no network that leads
anywhere. A first serial port is there whether the machine has one or not, because it is heard.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from converters.qemu_command import (
    PROGRAM,
    Accelerator,
    Host,
    arguments,
    chipset,
    processor,
)
from converters.qemu_firmware import Flash, installed
from converters.qemu_storage import Drive
from p2v.boot.accelerator import accelerator
from p2v.boot.emulator import Emulator, EmulatorGoneError
from p2v.boot.screen import Look, is_blank, look
from p2v.boot.symptoms import Findings, shortened
from p2v.boot.transcript import Transcript, last_line
from rehost.machine import Firmware, Machine
from rehost.outputs import Staging, writing
from rehost.verdict import Cause, Verdict

SERIAL_LOG = "serial.log"
SCREENSHOT = "screen.png"
COMMAND = "command.txt"
LOOK_SECONDS = 1.0
SETTLE_SECONDS = 2.0
"""How long to wait, once something was seen, for what may say more about it."""


def boot(
    machine: Machine,
    disks: Sequence[Drive | None],
    *,
    evidence: Path,
    timeout: float,
    expect: re.Pattern[str] | None = None,
    media: Sequence[Drive | None] = (),
    wish: Accelerator | None = None,
    force: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Boot the machine and keep in ``evidence`` the serial log, the last screen, the command.

    ``disks`` and ``media`` stand in the order of the machine's disks and removables; None is a
    blank disk or an empty drive. The boot is over when ``expect`` was seen (without it, a login
    prompt or systemd's), when a failure was seen, or after ``timeout`` seconds. ``tell`` hears what
    is going on.
    """
    chosen = accelerator(wish)
    with Staging(evidence, "boot", force=force) as staging:
        log = staging.path(SERIAL_LOG)
        command = _command(machine, Host(disks, media), chosen, log.parent)
        with writing(evidence):
            staging.path(COMMAND).write_text(shlex.join(command) + "\n")
        tell(f"{machine.name}: booting under {chosen}, for {timeout:g} s at most")
        trial = _Trial(Findings(expect), log.parent)
        begun = time.monotonic()
        with writing(evidence), log.open("wb") as file:
            cause, line = asyncio.run(trial.run(command, Transcript(file), timeout))
        seconds = time.monotonic() - begun
        has_picture = trial.picture.exists()
        if has_picture:
            trial.picture.replace(staging.path(SCREENSHOT))
        staging.commit()
    if not has_picture:
        (evidence / SCREENSHOT).unlink(missing_ok=True)
    return Verdict(
        machine=machine.name,
        cause=cause,
        evidence=line,
        seconds=round(seconds, 1),
        accelerator=str(chosen),
        serial_log=evidence / SERIAL_LOG,
        screenshot=evidence / SCREENSHOT if has_picture else None,
    )


def _command(machine: Machine, host: Host, chosen: Accelerator, work: Path) -> list[str]:
    flash = _own_flash(machine, work) if machine.firmware is Firmware.UEFI else None
    whole = Host(host.disks, host.media, flash, discard=True, isolated=True)
    return [
        *[PROGRAM, *processor(machine, chosen), *arguments(machine, whole)],
        *["-display", "none"],
    ]


def _own_flash(machine: Machine, work: Path) -> Flash:
    """Return firmware with variables that only this boot uses."""
    found = installed(chipset(machine), secure_boot=bool(machine.secure_boot))
    variables = work / "variables.fd"
    with writing(work):
        shutil.copyfile(found.variables, variables)
    return Flash(
        found.code,
        str(variables),
        found.code_format,
        found.variables_format,
        secure=found.secure,
    )


class _Trial:
    """One boot, from the first look to the conclusion."""

    def __init__(self, findings: Findings, work: Path) -> None:
        self.picture = work / "look.png"
        self._findings = findings
        self._work = work
        self._last = Look(self.picture, None)

    async def run(
        self, command: Sequence[str], transcript: Transcript, timeout: float
    ) -> tuple[Cause, str]:
        """Boot and return how it ended, with the line that shows it."""
        async with Emulator(command, self._work) as emulator:
            hearing = asyncio.create_task(self._hear(emulator, transcript))
            try:
                return await self._watch(emulator, transcript, hearing, timeout)
            except EmulatorGoneError as error:
                await asyncio.wait({hearing}, timeout=LOOK_SECONDS)
                return self._findings.conclusion() or await _gone(emulator, str(error))
            finally:
                hearing.cancel()
                with suppress(asyncio.CancelledError):
                    await hearing

    async def _hear(self, emulator: Emulator, transcript: Transcript) -> None:
        while said := await emulator.hear():
            self._findings.search(transcript.hear(said))

    async def _watch(
        self,
        emulator: Emulator,
        transcript: Transcript,
        hearing: asyncio.Task[None],
        timeout: float,
    ) -> tuple[Cause, str]:
        end = time.monotonic() + timeout
        settled: float | None = None
        while time.monotonic() < min(end, settled or end) and not self._findings.certain:
            if trouble := await emulator.trouble():
                return Cause.EMULATOR_FAILED, trouble
            await self._look(emulator)
            if settled is None and self._findings.conclusion():
                settled = time.monotonic() + SETTLE_SECONDS
            await asyncio.wait({hearing}, timeout=LOOK_SECONDS)
            if hearing.done():
                hearing.result()
                raise EmulatorGoneError("the serial line was closed")
        await self._look(emulator)
        return self._findings.conclusion() or await self._nothing_known(emulator, transcript)

    async def _look(self, emulator: Emulator) -> None:
        self._last = await look(emulator, self.picture)
        if self._last.text:
            self._findings.search(self._last.text)

    async def _nothing_known(self, emulator: Emulator, transcript: Transcript) -> tuple[Cause, str]:
        heard = transcript.last_line() or last_line(self._last.text or "")
        if not heard and await is_blank(emulator, self._last):
            return Cause.NOTHING_ON_SCREEN, "the screen stayed empty, and so did the serial line"
        return Cause.TIMEOUT, shortened(heard) or "the screen shows a picture, which is not read"


async def _gone(emulator: Emulator, why: str) -> tuple[Cause, str]:
    """Return what it means that QEMU is there no more."""
    if not await emulator.has_ended():
        return Cause.EMULATOR_FAILED, f"QEMU does not do as asked ({why})"
    if emulator.powered_off:
        return Cause.POWERED_OFF, "the machine switched itself off"
    # QEMU repeats the whole option before it says what is wrong with it.
    complaint = emulator.complaint
    return Cause.EMULATOR_FAILED, shortened(complaint, at=len(complaint))
