"""Settings from files: ``rehost.toml``, or ``[tool.rehost]`` in ``pyproject.toml``.

Options of a command stand in a table of its name; flags and ``REHOST_*`` variables win over them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

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
    try:
        return {name.replace("-", "_"): _as_given(value, path) for name, value in settings.items()}
    except RecursionError:
        raise UsageError("is nested too deeply", where=str(path)) from None


def fit_all(
    command: click.Command, settings: dict[str, Any], ctx: click.Context, name: str
) -> None:
    """Fit the settings of a command, and of those below that have any, to their options."""
    fit(command, settings, name)
    if isinstance(command, click.Group):
        for below, table in settings.items():
            inner = command.get_command(ctx, below.replace("_", "-"))
            if inner is not None and isinstance(table, dict):
                fit_all(inner, table, ctx, f"{name}.{below}")


def fit(command: click.Command, settings: dict[str, Any], name: str) -> None:
    """Fit settings to the options of a command: what is said as ``--json`` is a setting ``json``.

    One value stands for a list of it. What has another shape than its option is refused: click
    would make a traceback of it, or a list of letters.
    """
    for option in command.params:
        if isinstance(option, click.Option):
            _rename(option, settings)
            _fit(option, settings, name)
        elif option.name in settings:
            raise UsageError(f"{option.name} is for the call to name", where=f"[{name}]")


def _rename(option: click.Option, settings: dict[str, Any]) -> None:
    """Put what is set by an option's flag under its name."""
    for flag in option.opts:
        said = flag.removeprefix("--").replace("-", "_")
        if said in settings:
            settings.setdefault(option.name or "", settings.pop(said))


def _fit(option: click.Option, settings: dict[str, Any], name: str) -> None:
    said = max(option.opts, key=len).removeprefix("--")
    found, many = settings.get(option.name or ""), option.multiple
    nested = isinstance(found, list) and any(isinstance(each, dict | list) for each in found)
    if nested or isinstance(found, dict) or (isinstance(found, list) and not many):
        what = "a list of values" if many else "one value"
        raise UsageError(f"{said} takes {what} (found {found!r})", where=f"[{name}]")
    if isinstance(found, bool) and not (option.is_flag or option.count):
        raise UsageError(f"{said} is no switch (found {found!r})", where=f"[{name}]")
    if many and found is not None and not isinstance(found, list):
        settings[option.name or ""] = [found]


def refuse_unknown(settings: Mapping[str, Any], known: Iterable[str], command: str) -> None:
    """Refuse settings of a command that it does not have: a slip of the pen must not pass."""
    known = sorted(known)
    if unknown := sorted(settings.keys() - set(known)):
        name = unknown[0].replace("_", "-")
        near = get_close_matches(name, [each.replace("_", "-") for each in known], n=3)
        raise UsageError(
            f"has a setting that is not known ({name!r})",
            where=f"[{command}]",
            hint=f"Did you mean {', '.join(near)}?" if near else f"See `rehost {command} --help`.",
        )


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
    except RecursionError:
        raise UsageError("is nested too deeply", where=str(path)) from None
    except ValueError as error:  # of TOML, of UTF-8, and of numbers with thousands of digits
        raise UsageError(f"is no TOML ({error})", where=str(path)) from None
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path)) from None


def _as_given(value: Any, path: Path) -> Any:
    """Return a setting as the command line would give it: names with underscores, words as text.

    Lists of tables stay; whose they are looks at them itself.
    """
    if isinstance(value, dict):
        return {name.replace("-", "_"): _as_given(each, path) for name, each in value.items()}
    if isinstance(value, list):
        return [each if isinstance(each, dict) else _as_given(each, path) for each in value]
    if isinstance(value, str) and "\0" in value:
        raise UsageError(f"holds a null character ({value!r})", where=str(path))
    return value if isinstance(value, bool) else str(value)
