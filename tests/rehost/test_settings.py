"""Settings from files, in click's form, and the words for those that make no sense."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from rehost.console.settings import defaults, fit
from rehost.errors import UsageError
from tests.support.packages import rehost


def error_of(folder: Path, commands: tuple[str, ...] = ()) -> str:
    with pytest.raises(UsageError) as caught:
        defaults(commands, folder)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_no_file_means_no_settings(tmp_path: Path) -> None:
    assert defaults((), tmp_path) == {}
    assert defaults((), tmp_path / "none") == {}
    (tmp_path / "file").touch()
    assert defaults((), tmp_path / "file") == {}


def test_options_are_named_as_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "rehost.toml").write_text(
        'progress = "plain"\n[validate]\nfail-on = "error"\n[disk.convert]\ndry-run = true\n'
    )
    assert defaults(("validate", "disk"), tmp_path) == {
        "progress": "plain",
        "validate": {"fail_on": "error"},
        "disk": {"convert": {"dry_run": True}},
    }


def test_a_project_may_hold_them_and_a_file_of_their_own_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.rehost]\nprogress = "json"\n')
    assert defaults((), tmp_path) == {"progress": "json"}
    (tmp_path / "rehost.toml").write_text("quiet = true\n")
    assert defaults((), tmp_path) == {"quiet": True}


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[tool.other]\na = 1\n"])
def test_a_project_without_them_means_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert defaults((), tmp_path) == {}


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("tool = 5\n")
    assert error_of(tmp_path) == f"{path}: tool is no table (5)"
    path.write_text("tool.rehost = 'x'\n")
    assert error_of(tmp_path) == f"{path}: rehost is no table ('x')"
    path.write_text("[tool.rehost]\nconvert = [1]\n")
    assert error_of(tmp_path, ("convert",)) == f"{path}: convert is no table ([1])"


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rehost.toml"
    path.write_text("a = \n")
    assert error_of(tmp_path) == f"{path}: is no TOML (Invalid value (at line 1, column 5))"
    path.write_bytes(b"\xff")
    assert error_of(tmp_path).startswith(
        f"{path}: is no TOML ('utf-8' codec can't decode byte 0xff"
    )
    path.write_text(f"a = {'9' * 5000}\n")
    assert error_of(tmp_path).startswith(f"{path}: is no TOML (Exceeds the limit (4300 digits)")
    path.write_text('a = "x\\u0000"\n')
    assert error_of(tmp_path) == f"{path}: holds a null character ('x\\x00')"
    for deep in ("a = " + "[" * 5000, "a." * 5000 + "b = 1\n"):
        path.write_text(deep)
        assert error_of(tmp_path) == f"{path}: is nested too deeply"
    path.unlink()
    path.mkdir()
    assert error_of(tmp_path) == f"{path}: cannot be read (Is a directory)"


def test_values_are_given_as_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "rehost.toml").write_text(
        "verbose = 2\n[validate]\nbaseline = 7\ndeep = true\ntarget = ['aws', 1]\n"
        "[[validate.suppress]]\nrules = ['ITM']\n"
    )
    assert defaults(("validate",), tmp_path) == {
        "verbose": "2",
        "validate": {
            "baseline": "7",
            "deep": True,
            "target": ["aws", "1"],
            "suppress": [{"rules": ["ITM"]}],
        },
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fail_on": ["x"]}, "fail-on takes one value (found ['x'])"),
        ({"deep": ["x"]}, "deep takes one value (found ['x'])"),
        ({"fail_on": {"a": "1"}}, "fail-on takes one value (found {'a': '1'})"),
        ({"target": {"a": "1"}}, "target takes a list of values (found {'a': '1'})"),
        ({"target": [["a"]]}, "target takes a list of values (found [['a']])"),
        ({"target": True}, "target is no switch (found True)"),
        ({"fail_on": False}, "fail-on is no switch (found False)"),
    ],
)
def test_a_setting_of_another_shape_than_its_option_is_refused(
    settings: dict[str, object], message: str
) -> None:
    options: list[click.Parameter] = [
        click.Option(["--fail-on"]),
        click.Option(["--deep"], is_flag=True),
        click.Option(["--target"], multiple=True),
        click.Option(["--verbose"], count=True),
    ]
    command = click.Command("validate", params=options)
    fit(command, {"deep": True, "target": ["a"], "verbose": True}, "validate")
    with pytest.raises(UsageError) as caught:
        fit(command, settings, "validate")
    assert str(caught.value) == f"[validate]: {message}"


def test_a_setting_is_named_as_its_flag_and_one_value_is_a_list_of_it() -> None:
    options: list[click.Parameter] = [
        click.Option(["--json", "as_json"], is_flag=True),
        click.Option(["-o", "--output", "outputs"], multiple=True),
        click.Option(["--to", "target_names"]),
    ]
    settings: dict[str, object] = {"json": True, "output": "html=a.html", "target_names": "b"}
    fit(click.Command("convert", params=options), settings, "convert")
    assert settings == {"as_json": True, "outputs": ["html=a.html"], "target_names": "b"}


def test_a_flag_set_in_a_file_is_heard(tmp_path: Path) -> None:
    (tmp_path / "rehost.toml").write_text("[ovf.targets]\njson = true\n")
    done = rehost("ovf", "targets", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["schema_version"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("verbose = [1]", "[rehost]: verbose takes one value (found ['1'])"),
        ('[ovf.show]\nsource = "a.ova"', "[ovf.show]: source is for the call to name"),
        ("[ovf.show]\nsource = {a = 1}", "[ovf.show]: source is for the call to name"),
        ("[ovf.testkey]\ndays = [1]", "[ovf.testkey]: days takes one value (found ['1'])"),
    ],
)
def test_a_misfit_is_told_wherever_it_stands(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rehost.toml").write_text(text)
    done = rehost("ovf", "targets", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")
