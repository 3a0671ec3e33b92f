"""Settings from files: ``rehost.toml``, or ``[tool.rehost]`` in ``pyproject.toml``.

Options of a command stand in a table of its name; flags and ``REHOST_*`` variables win over them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rehost.errors import UsageError


def defaults(commands: Iterable[str] = (), folder: Path | None = None) -> dict[str, Any]:
    """Return the settings of a folder, by default the current one, in click's form."""
    folder = folder or Path()
    path = folder / "rehost.toml"
    settings = _read(path)
    if settings is None:
        path = folder / "pyproject.toml"
        settings = _table(_table(_read(path) or {}, "tool", path), "rehost", path)
    for command in commands:
        _table(settings, command, path)
    return _with_underscores(settings)


def refuse_unknown(settings: Mapping[str, Any], known: Iterable[str], command: str) -> None:
    """Refuse settings of a command that it does not have: a slip of the pen must not pass."""
    if unknown := sorted(settings.keys() - set(known)):
        name = unknown[0].replace("_", "-")
        raise UsageError(f"has a setting that is not known ({name!r})", where=f"[{command}]")


def _table(settings: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    found = settings.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"{name} is no table ({found!r})", where=str(path))
    return found


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"is no TOML ({error})", where=str(path)) from None
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path)) from None


def _with_underscores(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name.replace("-", "_"): _with_underscores(value) if isinstance(value, dict) else value
        for name, value in settings.items()
    }
