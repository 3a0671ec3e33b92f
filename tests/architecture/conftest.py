"""Every test here has a time limit."""

from tests.support.limits import time_limit

__all__ = ["time_limit"]
