"""Which machine configuration formats there are, and which one a file is in."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehost.discovery import declared
from rehost.files import LocalFile
from rehost.machine import Machine
from rehost.report import Loss

HEAD = 64 << 10
"""How much of a file a format may look at to recognise it, in bytes."""

WIDE_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
PROLOGUE = (("<?", "?>"), ("<!--", "-->"), ("<!", ">"))
ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)")

Reader = Callable[[Path], tuple[Machine, list[Loss]]]
"""Read a file into a machine, with a loss for everything that the machine cannot hold."""


@dataclass(frozen=True, slots=True)
class ConfigFormat:
    """A configuration format: how to recognise and read it.

    ``probe`` says whether a file is one, sound or broken, from its first bytes (``HEAD`` at most);
    ``read`` raises for a broken one. Names of disks below the file's folder come out relative to
    it, others absolute as they stand: whether they may be opened is for the gate.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    probe: Callable[[bytes], bool]
    read: Reader


def configs() -> tuple[ConfigFormat, ...]:
    """Return every configuration format known."""
    return declared("converters.configs.formats", "FORMAT")


def config_of(path: Path) -> ConfigFormat | None:
    """Return the format a file is in, or None; where several would take it, its suffix decides."""
    file = LocalFile(path)
    try:
        head = file.pread(0, HEAD)
    finally:
        file.close()
    takers = [known for known in configs() if known.probe(head)]
    takers.sort(key=lambda known: path.suffix.lower() not in known.suffixes)
    return takers[0] if takers else None


def root_of(head: bytes) -> str | None:
    """Return the name of an XML document's root element; None where the bytes are no XML."""
    encoding = WIDE_MARKS.get(head[:2], "utf-8")
    text = head.decode(encoding, errors="replace").lstrip("\ufeff \t\r\n")
    while opening := next((pair for pair in PROLOGUE if text.startswith(pair[0])), None):
        _, end, text = text.partition(opening[1])
        if not end:
            return None
        text = text.lstrip()
    found = ROOT.match(text)
    return found[1] if found else None
