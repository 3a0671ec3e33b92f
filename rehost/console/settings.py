"""Settings from files: ``rehost.toml``, or ``[tool.rehost]`` in ``pyproject.toml``.

Options of a command stand in a table of its name; flags and ``REHOST_*`` variables win over them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from rehost.errors import UsageError


def defaults(folder: Path | None = None) -> dict[str, Any]:
    """Return the settings of a folder, by default the current one, in click's form."""
    folder = folder or Path()
    settings = _read(folder / "rehost.toml")
    if settings is None:
        settings = (_read(folder / "pyproject.toml") or {}).get("tool", {}).get("rehost", {})
    return _with_underscores(settings)


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
