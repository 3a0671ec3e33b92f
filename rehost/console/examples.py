"""Calls of a command as examples, which stand at the end of its help."""

from __future__ import annotations


def examples(*calls: str) -> str:
    """Return an epilog of calls, one a line, that nobody wraps; each follows ``rehost``."""
    return "\b\nExamples:\n" + "\n".join(f"  rehost {call}" for call in calls)
