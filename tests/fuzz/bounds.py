"""What one input may cost: seconds of the processor, and memory beyond what was there before."""

from __future__ import annotations

import resource
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 10.0
MEMORY = 200 << 20
PAGE = resource.getpagesize()


class TooSlowError(BaseException):
    """An input took too long; no handler of ordinary exceptions may swallow it."""


@contextmanager
def bounded() -> Iterator[None]:
    """Let a block fail with TooSlowError or MemoryError where it costs more than it may.

    Seconds are the processor's, so that a busy computer makes no input slow. A warning fails, too:
    whoever runs the command would see it, with a line of our code.
    """
    before = signal.signal(signal.SIGPROF, _expire)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_used() + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with warnings.catch_warnings(action="error"):
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def _used() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * PAGE


def _expire(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TooSlowError(f"took longer than {SECONDS} s")
