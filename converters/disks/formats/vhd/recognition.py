"""What a VHD is known by: the cookie of its footer, or of the footer's copy at the beginning."""

from __future__ import annotations

from rehost.files import File

COOKIE = b"conectix"
SIZE = 512
OLD_SIZE = 511


def recognise(file: File) -> bool:
    """Say whether a file begins or ends with a footer."""
    return file.pread(0, len(COOKIE)) == COOKIE or footer_at(file) is not None


def footer_at(file: File) -> int | None:
    """Return where the last bytes look like a footer: before 2004 it had 511 bytes."""
    for length in (SIZE, OLD_SIZE):
        at = file.size - length
        if at >= 0 and file.pread(at, len(COOKIE)) == COOKIE:
            return at
    return None
