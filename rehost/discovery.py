"""Finding what a folder holds: every module below a package that declares one constant."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache, partial
from typing import Any, TypeVar

Kind = TypeVar("Kind")


@cache
def declared(package: str, constant: str) -> tuple[Any, ...]:
    """Return the ``constant`` of every module in ``package``, by module name."""
    return tuple(declared_by(package, name, constant) for name in names(package))


def names(package: str) -> tuple[str, ...]:
    """Return the names of the modules in ``package``, none of which is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(_path(package))))


def declared_by(package: str, name: str, constant: str) -> Any:
    """Return the ``constant`` of one module in ``package``."""
    return getattr(importlib.import_module(f"{package}.{name}"), constant)


def instances(package: str, kind: type[Kind]) -> tuple[Kind, ...]:
    """Return what the modules in ``package`` hold of a class, by modules and in their order."""
    modules = (importlib.import_module(f"{package}.{name}") for name in names(package))
    values = (value for module in modules for value in vars(module).values())
    return tuple(dict.fromkeys(value for value in values if isinstance(value, kind)))


def later(module: str, name: str) -> partial[Any]:
    """Return what stands for ``name`` of ``module`` in a declaration: only a call imports it.

    So that a command starts quickly, for it needs few of the formats it knows. Both names are the
    ``args`` of what is returned.
    """
    return partial(_called, module, name)


def _called(module: str, name: str, /, *arguments: Any, **named: Any) -> Any:
    return getattr(importlib.import_module(module), name)(*arguments, **named)


def _path(package: str) -> list[str]:
    return list(importlib.import_module(package).__path__)
