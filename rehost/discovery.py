"""Finding what a folder holds: every module below a package that declares one constant."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any


@cache
def declared(package: str, constant: str) -> tuple[Any, ...]:
    """Return the ``constant`` of every module in ``package``, by module name."""
    names = sorted(module.name for module in pkgutil.iter_modules(_path(package)))
    return tuple(getattr(importlib.import_module(f"{package}.{name}"), constant) for name in names)


def _path(package: str) -> list[str]:
    return list(importlib.import_module(package).__path__)
