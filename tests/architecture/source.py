"""The source tree as these tests see it: its modules, and what each of them imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("rehost", "ovf", "converters", "p2v")
EVERYTHING = (*PACKAGES, "tests", "benchmarks")


@dataclass(frozen=True, slots=True)
class Import:
    """One import: who, at which line, of which module or name in one."""

    by: str
    place: str
    line: int
    of: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line} imports {self.of}"


def files(*folders: str) -> list[Path]:
    """Return every Python file below folders of the repository."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "fixtures" not in path.parts)


def module_name(path: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(*folders: str) -> tuple[Import, ...]:
    """Return every import below folders, those inside functions among them."""
    return tuple(each for path in files(*folders) for each in _imports_of(path))


def _imports_of(path: Path) -> Iterator[Import]:
    by, place = module_name(path), str(path.relative_to(ROOT))
    package = by if path.name == "__init__.py" else by.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(by, place, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*kept, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(by, place, node.lineno, f"{base}.{alias.name}")


def below(name: str, package: str) -> bool:
    """Say whether a dotted name is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")
