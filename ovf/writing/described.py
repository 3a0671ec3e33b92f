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


def read_described(path: Path, name: str | None = None) -> Described:
    """Read the machine of that name, or the only one."""
    try:
        document = msgspec.json.decode(read_all(LocalFile(path), LARGEST), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedInputError(
            f"is not what `rehost inspect --json` prints ({summary(str(error))})", where=str(path)
        ) from None
    machines = [each.machine for each in document.machines]
    found = [each for each in machines if name in {None, each.name}]
    if len(found) != 1:
        names = ", ".join(repr(each.name) for each in machines)
        raise UsageError(
            f"describes {len(machines)} machines ({names})" if machines else "describes no machine",
            where=str(path),
            hint="Choose one by its name: --machine NAME." if machines else "",
        )
    return Described(found[0], document.kind, Path(document.path))
