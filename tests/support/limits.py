"""A time limit for every test of a module, from its constant ``SECONDS``: nothing may hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

USUAL_SECONDS = 60


@pytest.fixture(autouse=True)
def time_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that takes longer than its module allows."""
    seconds = getattr(request.module, "SECONDS", USUAL_SECONDS)

    def expire(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimeoutError(f"the test took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
