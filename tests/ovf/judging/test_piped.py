"""``rehost validate -``: a package that comes through standard input."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ovf.cli import ovf, validate
from rehost.errors import DamagedInputError, EnvironmentFailureError, InteropError, UsageError
from tests.ovf.builders import pack, signed_off, with_disk

DISK = bytes(range(256)) * 256
FALSE = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": DISK}) | {"disk.vmdk": b"short"}


def run(content: bytes, *arguments: str) -> Result:
    return CliRunner().invoke(validate, ["-", *arguments], input=content)


def places(result: Result) -> set[tuple[str, str]]:
    return {(each["rule"], each["file"]) for each in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_is_judged_whole_and_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    content = pack(tmp_path / "x.ova", FALSE).read_bytes()
    result = run(gzip.compress(content) if packed else content, "--format", "json")
    assert result.exit_code == 1
    assert ("MAN-004", "stdin.ova!disk.vmdk") in places(result)
    assert ("PKG-021", "stdin.ova") in places(result) or not packed
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("how", [[], ["--deep"]])
def test_a_descriptor_is_judged_alone(how: list[str]) -> None:
    text = with_disk().replace('ovf:capacity="', 'ovf:capacity="x')
    result = run(text.encode(), "--format", "json", *how)
    assert result.exit_code == 1
    assert {file for _, file in places(result)} == {"stdin.ovf"}
    assert "DSK-002" in {rule for rule, _ in places(result)}
    assert not {"REF-004", "MAN-001"} & {rule for rule, _ in places(result)}


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "stdin: is empty"), (b"?", "stdin: is neither an OVF descriptor nor an OVA")],
)
def test_what_is_no_package_is_told(content: bytes, said: str) -> None:
    error = run(content).exception
    assert isinstance(error, DamagedInputError)
    assert str(error) == said


def test_a_place_that_cannot_keep_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    error = run(b"x").exception
    assert isinstance(error, EnvironmentFailureError)
    assert (str(error), error.hint) == (
        "stdin: cannot be kept while it is judged (Not a directory)",
        "Name a folder with more space by the variable TMPDIR.",
    )


def test_it_is_not_mended() -> None:
    error = run(b"x", "--fix", "x.ova").exception
    assert isinstance(error, UsageError)
    assert (str(error), error.hint) == (
        "--fix does not mend standard input",
        "Write it to a file first.",
    )


@pytest.mark.parametrize(
    ("source", "said", "hint"),
    [
        (
            "-",
            "standard input is read by `rehost validate` alone",
            "Write it to a file first.",
        ),
        (
            "https://host/a//x.ova",
            "https://host/a/x.ova: is on a web server, where packages are not read",
            "Fetch it first; or judge it in passing: curl URL | rehost validate -",
        ),
    ],
)
def test_other_commands_want_a_file(source: str, said: str, hint: str) -> None:
    error = CliRunner().invoke(ovf, ["show", source]).exception
    assert isinstance(error, InteropError)
    assert (str(error), error.hint, error.exit_code) == (said, hint, 2)
