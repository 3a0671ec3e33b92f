"""Starting a command imports no format's machinery: only what recognises a file."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from importlib import import_module

from converters.disks.registry import formats

SLOW = (
    "numpy", "lxml", "urllib.request", "urllib3", "http", "email", "asyncio", "uuid", "hashlib",
    "xml", "msgspec", "click", "rich", "cryptography", "converters.disks.checking",
    "converters.disks.bitmaps", "converters.disks.tables",
)  # fmt: skip
LIGHT = {"options", "recognition"}
"""What the modules below ``converters.disks.formats`` may be called that all commands import."""


def imported_by(code: str) -> list[str]:
    """Return the names of the modules that a new Python has after running ``code``."""
    shown = f"{code}\nimport sys\nprint(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", shown], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_knowing_all_formats_imports_nothing_slow() -> None:
    plain = imported_by("")
    found = imported_by("from converters.disks.registry import formats\nformats()")
    assert "converters.disks.registry" in found
    assert [each for each in SLOW if each in found and each not in plain] == []


def test_knowing_all_formats_imports_only_what_they_declare() -> None:
    found = imported_by("from converters.disks.registry import formats\nformats()")
    below = [each.split(".")[4:] for each in found if each.startswith("converters.disks.formats.")]
    assert [each for each in below if each and each[0] not in LIGHT] == []
    assert len(below) > len(formats())


def test_what_a_format_names_for_later_is_there() -> None:
    for known in formats():
        for each in (known.open, known.open_with, known.create, known.check):
            if each is None:
                continue
            assert isinstance(each, partial), known.name
            module, name = each.args
            assert callable(getattr(import_module(module), name))
