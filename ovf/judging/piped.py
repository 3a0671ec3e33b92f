"""A package that comes through standard input: ``rehost validate -``.

An archive is kept in a temporary file while it is judged, for its digests are checked and its disks
looked into. A descriptor comes without the files it names, so it is judged alone.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

from ovf.package import START, XML_STARTS, Package
from rehost.archive import looks_like_tar
from rehost.errors import DamagedInputError, EnvironmentFailureError
from rehost.files import GZIP_MAGIC, LocalFile

NAME = "stdin"


def piped() -> tuple[Package, bool]:
    """Return what comes through standard input, and whether it is a descriptor alone.

    Reports call it ``stdin.ova`` or ``stdin.ovf``.
    """
    file = _kept()
    start = file.pread(0, START)
    if not start:
        raise DamagedInputError("is empty", where=NAME)
    alone = start.lstrip().startswith(XML_STARTS)
    suffix = ".ova" if looks_like_tar(start) or start.startswith(GZIP_MAGIC) else ""
    path = Path(NAME + (".ovf" if alone else suffix))
    file.name = str(path)
    return Package.read(path, file, tolerant=True), alone


def _kept() -> LocalFile:
    """Copy standard input into a file that is gone when nobody reads it any more."""
    try:
        with NamedTemporaryFile(prefix="rehost-") as place:
            if sys.stdin is not None:
                shutil.copyfileobj(sys.stdin.buffer, place, 1 << 20)
            place.flush()
            return LocalFile(Path(place.name))
    except OSError as error:
        raise EnvironmentFailureError(
            f"cannot be kept while it is judged ({error.strerror})",
            where=NAME,
            hint="Name a folder with more space by the variable TMPDIR.",
        ) from error
