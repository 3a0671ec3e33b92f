"""Standard output: JSON with its schema version, tables without surprises, sizes for people."""

from __future__ import annotations

import json

import pytest

from rehost.console.output import emit_json, emit_table, json_text, printable, size_text

SIZES = [
    (0, "0 B"),
    (1023, "1023 B"),
    (1024, "1 KiB"),
    (1536, "1.5 KiB"),
    (1 << 20, "1 MiB"),
    (10 * (1 << 30), "10 GiB"),
    ((1 << 40) * 5000, "5000 TiB"),
    (-2048, "-2 KiB"),
]


@pytest.mark.parametrize(("size", "text"), SIZES)
def test_a_size_is_told_in_the_largest_readable_unit(size: int, text: str) -> None:
    assert size_text(size) == text


def test_json_begins_with_its_schema_version() -> None:
    assert json_text({"b": [1], "a": "ä"}) == (
        '{\n  "schema_version": 1,\n  "b": [\n    1\n  ],\n  "a": "ä"\n}\n'
    )


def test_json_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"size": 5})
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == ({"schema_version": 1, "size": 5}, "")


def test_a_table_keeps_what_looks_like_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    emit_table("Disks", ["file", "size"], [["[red]a[/red].vmdk", "[/]"], ["b", "1 KiB"]])
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert [line.split() for line in said.splitlines()] == [
        ["Disks"],
        ["file", "size"],
        ["[red]a[/red].vmdk", "[/]"],
        ["b", "1", "KiB"],
    ]


def test_bytes_of_a_name_that_are_no_text_are_escaped() -> None:
    name = b"a\xff.raw".decode("utf-8", "surrogateescape")
    assert printable(name) == "a\\udcff.raw"
    text = json_text({"path": name, "sizes": (1, None)})
    assert text == (
        '{\n  "schema_version": 1,\n  "path": "a\\udcff.raw",\n  "sizes": [\n    1,\n'
        "    null\n  ]\n}\n"
    )
    assert json.loads(text)["path"] == name
