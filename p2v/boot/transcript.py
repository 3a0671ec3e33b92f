"""What a serial line says: kept in a log, and as plain text while it is recent.

Escape sequences are those of ECMA-48 (control sequences, "CSI") and of xterm (operating system
commands, "OSC").
"""

from __future__ import annotations

import re
from typing import BinaryIO

RECENT = 16 << 10
LONGEST_LOG = 64 << 20
TRUNCATED = b"\n[the log ends here: the machine wrote too much]\n"
POSITION = re.compile(r"\x1b\[[0-9;]*[Hf]")
SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-Z\\-~]"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Transcript:
    """A serial line's words so far: the first 64 MiB in ``log``, the last of them in memory."""

    def __init__(self, log: BinaryIO) -> None:
        self._log = log
        self._room = LONGEST_LOG
        self._recent = b""

    def hear(self, said: bytes) -> str:
        """Take in more bytes; return them and what stood before them as plain text."""
        if self._room > 0:
            self._log.write(said[: self._room])
            self._room -= len(said)
            if self._room <= 0:
                self._log.write(TRUNCATED)
            self._log.flush()
        heard = self._recent + said
        self._recent = heard[-RECENT:]
        return plain(heard)

    def last_line(self) -> str:
        """Return the last line that is not blank, or nothing."""
        return last_line(plain(self._recent))


def last_line(text: str) -> str:
    """Return the last line of a text that is not blank, or nothing."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def plain(said: bytes) -> str:
    """Return the text in a terminal's bytes; a jump of the cursor begins a new line."""
    text = said.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return CONTROL.sub("", SEQUENCE.sub("", POSITION.sub("\n", text)))
