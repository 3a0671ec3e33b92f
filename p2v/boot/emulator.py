"""QEMU as a child that never outlives us, spoken to by the QEMU Machine Protocol.

The protocol is QEMU's docs/interop/qmp-spec. Monitor and serial line are socket pairs whose other
ends QEMU inherits, so nothing else on this computer can reach them. However this process ends,
the kernel ends QEMU with it (PR_SET_PDEATHSIG of prctl(2), set by setpriv).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from qemu.qmp import QMPClient, QMPError

from rehost import programs

ANSWER_SECONDS = 30
KILL_SECONDS = 5
LONGEST_COMPLAINT = 8 << 10
CHUNK = 64 << 10
KILLED = b"terminating on signal"
STOPPED = {"internal-error", "io-error"}

logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


def lifeline() -> list[str]:
    """Return the words that, before a command, make it die with the process that started it."""
    return [programs.find("setpriv", package="util-linux"), "--pdeathsig", "KILL", "--"]


class EmulatorGoneError(Exception):
    """QEMU ended, or does not answer any more."""


class Emulator:
    """A running QEMU. Use it as a context: leaving it ends QEMU, whatever it is doing."""

    def __init__(self, argv: Sequence[str], work: Path) -> None:
        """Prepare to run ``argv``, with its temporary files in ``work``."""
        self._argv = argv
        self._work = work
        self._qmp = QMPClient("boot")
        self._process: Process
        self._serial: socket.socket
        self._complaint = b""
        self._complaining: asyncio.Task[None]

    async def has_ended(self) -> bool:
        """Say whether QEMU has ended by itself, giving it the time to."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), KILL_SECONDS)
        await asyncio.wait({self._complaining}, timeout=KILL_SECONDS)
        return self._process.returncode is not None

    @property
    def powered_off(self) -> bool:
        """Say whether it ended because the guest switched itself off."""
        return self._process.returncode == 0 and KILLED not in self._complaint

    @property
    def complaint(self) -> str:
        """The last line QEMU wrote to its standard error before it ended."""
        lines = self._complaint.decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return said or f"QEMU ended with exit code {self._process.returncode}"

    async def __aenter__(self) -> Self:
        monitor, monitor_end = socket.socketpair()
        self._serial, serial_end = socket.socketpair()
        self._serial.setblocking(False)
        with monitor_end, serial_end:
            self._process = await asyncio.create_subprocess_exec(
                *lifeline(),
                *self._argv,
                *["-chardev", f"socket,id=serial,fd={serial_end.fileno()}"],
                *["-serial", "chardev:serial"],
                *["-chardev", f"socket,id=monitor,fd={monitor_end.fileno()}"],
                *["-mon", "chardev=monitor,mode=control"],
                pass_fds=(serial_end.fileno(), monitor_end.fileno()),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self._work)},
            )
        self._complaining = asyncio.create_task(self._hear_complaints())
        try:
            await self._greet(monitor)
        except BaseException:
            await self._end()
            raise
        return self

    async def _greet(self, monitor: socket.socket) -> None:
        """Begin the conversation; that QEMU ended at once shows when it is asked something."""
        with contextlib.suppress(QMPError, EOFError, OSError, TimeoutError):
            await asyncio.wait_for(self._qmp.connect(monitor), ANSWER_SECONDS)
            return
        monitor.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), KILL_SECONDS)

    async def _hear_complaints(self) -> None:
        stream = self._process.stderr
        while stream and (said := await stream.read(CHUNK)):
            self._complaint = (self._complaint + said)[-LONGEST_COMPLAINT:]

    async def hear(self) -> bytes:
        """Return what the serial line says next; nothing once it is closed."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._serial, CHUNK)
        except ConnectionError:
            return b""

    async def execute(self, command: str, **parameters: object) -> object:
        """Have QEMU do something and return its answer."""
        try:
            call = self._qmp.execute(command, parameters or None)
            return await asyncio.wait_for(call, ANSWER_SECONDS)
        except TimeoutError as error:
            raise EmulatorGoneError(f"{command}: no answer within {ANSWER_SECONDS} s") from error
        except (QMPError, EOFError, OSError) as error:
            raise EmulatorGoneError(f"{command}: {error}") from error

    async def trouble(self) -> str | None:
        """Return why QEMU stopped the machine for a fault of its own, if it did."""
        status = await self.execute("query-status")
        word = status.get("status") if isinstance(status, dict) else None
        return f"QEMU stopped the machine ({word})" if word in STOPPED else None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        """End QEMU without asking it: its disks are thrown away anyway."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), KILL_SECONDS)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._qmp.disconnect(), KILL_SECONDS)
        self._complaining.cancel()
        self._serial.close()
