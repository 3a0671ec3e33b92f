"""A machine that ``rehost inspect --json`` described, and where its files are.

The shape is that of ``schemas/machine.schema.json``. Files of a package are read where they lie;
those of a configuration are beside it or below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from ovf.package import Package
from ovf.writing.write import Member
from rehost.errors import DamagedInputError, UsageError
from rehost.files import LocalFile, is_folder, open_beneath, read_all
from rehost.machine import Machine
from rehost.tracked import summary

LARGEST = 16 << 20


@dataclass(frozen=True, slots=True)
class _Subject:
    machine: Machine


@dataclass(frozen=True, slots=True)
class _Document:
    kind: str
    path: str
    machines: tuple[_Subject, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """A machine and the source it was read from."""

    machine: Machine
    kind: str
    path: Path

    def member(self, name: str) -> Member:
        """Return one of its files as a member to be, under the last part of its name."""
        short = name.replace("\\", "/").rpartition("/")[2]
        if self.kind == "package":
            return Member(short, partial(Package.open(self.path).file_named, name))
        if self.kind == "disk":
            return Member(short, partial(LocalFile, self.path))
        folder = self.path if is_folder(self.path) else self.path.parent
        return Member(short, partial(open_beneath, folder, name, by=str(self.path)))


def _read(path: Path) -> tuple[Described, ...]:
    try:
        document = msgspec.json.decode(read_all(LocalFile(path), LARGEST), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedInputError(
            f"is not what `rehost inspect --json` prints ({summary(str(error))})", where=str(path)
        ) from None
    source = Path(document.path)
    return tuple(Described(each.machine, document.kind, source) for each in document.machines)


def described_machines(paths: tuple[Path, ...], names: tuple[str, ...]) -> tuple[Described, ...]:
    """Read the machines of several documents, or those of these names; each has to be there."""
    every = [each for path in paths for each in _read(path)]
    known = [each.machine.name for each in every]
    missing = [name for name in names if name not in known]
    where = ", ".join(map(str, paths))
    if missing or not every:
        what = f"describes no machine {missing[0]!r}" if missing else "describes no machine"
        listed = ", ".join(map(repr, known))
        raise UsageError(what, where=where, hint=f"There are {listed}." if known else "")
    return tuple(each for each in every if not names or each.machine.name in names)
