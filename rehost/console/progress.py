"""Progress on standard error: a bar with rate and time left, plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from rehost.progress import SILENT, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

MODES = ("auto", "bar", "plain", "json", "none")
PLAIN_SECONDS = 5.0
JSON_SECONDS = 0.5


class Lines:
    """Writes a line now and then: text for people reading a log, JSON for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._seconds = JSON_SECONDS if as_json else PLAIN_SECONDS
        self._phase: str | None = None
        self._total = self._done = 0
        self._began = self._said = 0.0

    def start(self, phase: str, total: int) -> None:
        """Finish the phase before and begin another."""
        self.close()
        self._phase, self._total, self._done = phase, total, 0
        self._began = self._said = time.monotonic()
        if self._as_json:
            self._say()

    def advance(self, done: int) -> None:
        """Count, and say so when it is time."""
        self._done += done
        if time.monotonic() - self._said >= self._seconds:
            self._say()

    def close(self) -> None:
        """Say how the last phase ended."""
        if self._phase is not None and (self._as_json or self._said > self._began):
            self._say()
        self._phase = None

    def _say(self) -> None:
        self._said = time.monotonic()
        elapsed = self._said - self._began
        line = (
            json.dumps(
                {
                    "phase": self._phase,
                    "done": self._done,
                    "total": self._total,
                    "elapsed": round(elapsed, 3),
                }
            )
            if self._as_json
            else self._text(elapsed)
        )
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    def _text(self, elapsed: float) -> str:
        share = 100 * self._done // self._total if self._total else 100
        rate = self._done / elapsed if elapsed else 0.0
        left = f", {_span((self._total - self._done) / rate)} left" if rate and share else ""
        return f"{self._phase}: {share} %, {rate / 1e6:.0f} MB/s{left}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Bar:
    """A bar on the terminal, by rich, which is loaded when the first phase begins."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def start(self, phase: str, total: int) -> None:
        """Begin a bar of its own for the phase."""
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
        self._task = self._bars.add_task(phase, total=total)

    def advance(self, done: int) -> None:
        """Move the bar."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, done)

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()


def _bars() -> Bars:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def progress_for(mode: str) -> Progress:
    """Return the progress for a mode; ``auto`` is a bar on a terminal and plain lines elsewhere."""
    if mode == "auto":
        mode = "bar" if sys.stderr.isatty() else "plain"
    if mode == "bar":
        return Bar()
    return SILENT if mode == "none" else Lines(as_json=mode == "json")
