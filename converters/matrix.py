"""The capability matrix, from what the formats and targets declare of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from converters.configs.registry import configs
from converters.disks.options import Option
from converters.disks.registry import DiskFormat, formats
from converters.target import targets

MOST_VALUES = 7
OVF = "OVF and OVA packages, 1.0 to 2.1"


def matrix_document() -> dict[str, Any]:
    """Return the matrix as JSON."""
    return {
        "disks": [
            {
                "name": known.name,
                "title": known.title,
                "suffixes": known.suffixes,
                "read": True,
                "written": known.create is not None,
                "features": _features(known),
                "options": {option.name: option.choices for option in known.options},
            }
            for known in formats()
        ],
        "machines": [
            {"name": name, "title": title, "read": read, "target": target}
            for name, title, read, target in _machine_rows()
        ],
        "targets": [
            {"name": target.name, "title": target.title, "disk_formats": target.disk_formats}
            for target in targets()
        ],
    }


def matrix_markdown() -> str:
    """Return the matrix as tables, as they stand in the README."""
    disks = [
        (
            known.title,
            f"`{known.name}`",
            "yes",
            _yes(known.create is not None),
            ", ".join(_features(known)),
        )
        for known in formats()
    ]
    options = [
        (f"`{known.name}`", f"`{option.name}`", _values(option), option.meaning)
        for known in formats()
        for option in known.options
    ]
    machines = [
        (title, f"`{name}`", _yes(read), _yes(target))
        for name, title, read, target in _machine_rows()
    ]
    return "\n".join(
        [
            *_table(("disk format", "name", "read", "written", "and"), disks),
            "",
            *_table(("written format", "`-o` option", "values", "meaning"), options),
            "",
            *_table(("machine description", "name", "read", "target of `convert`"), machines),
            "",
        ]
    )


def _features(known: DiskFormat) -> list[str]:
    """Return what a format can do besides being read and written."""
    can = {
        "compressed": known.compresses,
        "differences to a base": known.overlays,
        "internal snapshots read": known.opens_snapshots,
        "decrypted": known.decrypts,
        "dirty bitmaps kept": known.keeps_bitmaps,
        "several disks in one file": known.holds_disks,
        "checked as what it is": known.check is not None,
    }
    return [what for what, does in can.items() if does]


def _values(option: Option) -> str:
    """Return the values of an option, its default first; a long series is cut."""
    if not option.choices:
        return "any text"
    if len(option.choices) <= MOST_VALUES:
        return ", ".join(option.choices)
    first, *rest = option.choices
    return f"{first}, {rest[0]} ... {rest[-1]}"


def _machine_rows() -> list[tuple[str, str, bool, bool]]:
    """Return (name, title, read, target) of every way to describe a machine, by name."""
    readers = {"ovf": OVF} | {config.name: config.title for config in configs()}
    goals = {target.name: target.title for target in targets()}
    return [
        (name, readers.get(name) or goals[name], name in readers, name in goals)
        for name in sorted(readers | goals)
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
