"""``rehost validate`` as it is called: what counts, what is written where, and the exit code."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner, Result

from ovf.cli import validate
from ovf.judging.judge import MOST_ALIKE
from rehost.console.settings import fit
from rehost.errors import (
    EnvironmentFailureError,
    RefusedError,
    UsageError,
)
from tests.ovf.builders import MEMORY, PROCESSORS, SCSI, descriptor
from tests.support.generated import ROOT, schemas

START = "from rehost.console.main import main; main()"
NAME_ANOTHER = "Name another output."
DISK = '<Disk ovf:diskId="{}" ovf:capacity="x"/>'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with two packages, a and b, of one and of two errors."""
    monkeypatch.chdir(tmp_path)
    write("a.ovf", "d")
    write("b.ovf", "d", "e")
    return tmp_path


def write(name: str, *disks: str, above: str = "") -> None:
    lines = "".join(f"\n{DISK.format(disk)}" for disk in disks)
    text = descriptor(SCSI, PROCESSORS, MEMORY, disks=lines)
    Path(name).write_text(text.replace("?>\n", f"?>\n{above}", 1))


def run(*arguments: str, settings: dict[str, Any] | None = None) -> Result:
    settings = settings or {}
    fit(validate, settings, "validate")
    return CliRunner().invoke(validate, arguments, default_map=settings)


def rules_of(result: Result) -> list[str]:
    return [finding["rule"] for finding in json.loads(result.stdout)["findings"]]


def states_of(result: Result) -> list[str]:
    return [finding["state"] for finding in json.loads(result.stdout)["findings"]]


def test_several_sources_are_judged_in_one_run() -> None:
    result = run("a.ovf", "b.ovf")
    assert result.exit_code == 1
    assert result.stdout == (
        "a.ovf\n"
        "  5:36: error: ovf:capacity is not a whole number ('x') [DSK-002]\n"
        '      <Disk ovf:diskId="d" ovf:capacity="x"/></DiskSection>\n'
        "                                         ^\n"
        "      hint: State the capacity as the guest sees it.\n"
        "\n"
        "b.ovf\n"
        "  5:36: error: ovf:capacity is not a whole number ('x') [DSK-002]\n"
        '      <Disk ovf:diskId="d" ovf:capacity="x"/>\n'
        "                                         ^\n"
        "  6:36: error: ovf:capacity is not a whole number ('x') [DSK-002]\n"
        '      <Disk ovf:diskId="e" ovf:capacity="x"/></DiskSection>\n'
        "                                         ^\n"
        "\n"
        "3 errors, 0 warnings, 0 remarks\n"
    )


def test_a_source_that_cannot_be_judged_does_not_keep_the_others_from_it() -> None:
    result = run("none.ovf", "a.ovf", "-o", "json=out.json")
    assert isinstance(result.exception, UsageError)
    lines = result.stdout.splitlines()
    assert lines[-1] == "1 error, 0 warnings, 0 remarks; 1 of 2 sources could not be judged"
    assert str(result.exception) in lines
    document = json.loads(Path("out.json").read_text())
    jsonschema.validate(document, schemas()["ovf-validate.schema.json"])
    assert [source["failure"] is None for source in document["sources"]] == [False, True]


def test_rules_are_selected_and_ignored() -> None:
    everything = rules_of(run("b.ovf", "--format", "json"))
    assert everything == ["DSK-002", "DSK-002"]
    assert rules_of(run("b.ovf", "--format", "json", "--ignore", "DSK")) == []
    assert rules_of(run("b.ovf", "--format", "json", "--select", "ITM,MAN")) == []
    assert rules_of(run("b.ovf", "--format", "json", "--select", "dsk")) == everything
    assert run("b.ovf", "--ignore", "DSK-002").exit_code == 0


def test_severities_are_changed_and_decide() -> None:
    result = run("a.ovf", "--severity", "DSK-002=warning")
    assert (result.exit_code, "1 warning" in result.stdout) == (0, True)
    assert run("a.ovf", "--severity", "DSK=warning", "--fail-on", "warning").exit_code == 1


@pytest.mark.parametrize("option", [["--select", "Q"], ["--ignore", "Q"], ["--severity", "Q=info"]])
def test_a_rule_nobody_knows_is_wrong_usage(option: list[str]) -> None:
    error = run("a.ovf", *option).exception
    assert isinstance(error, UsageError)
    assert str(error) == "no rule has an id that is or begins with 'Q'"


def test_one_run_writes_several_forms() -> None:
    names = {form: f"out/{form}" for form in ("sarif", "junit", "html", "gitlab", "github", "text")}
    outputs = [f"--output={form}={name}" for form, name in names.items()]
    result = run("b.ovf", *outputs)
    assert result.stdout.startswith("b.ovf\n")
    starts = {"sarif": "{", "junit": "<?xml", "html": "<!DOCTYPE", "gitlab": "[", "github": "::"}
    for form, start in starts.items():
        assert Path(names[form]).read_text().startswith(start)
    assert Path(names["text"]).read_text() == result.stdout


def test_a_file_alone_takes_what_would_be_printed() -> None:
    printed = run("b.ovf", "--format", "sarif").stdout
    result = run("b.ovf", "--format", "sarif", "-o", "x.sarif", "-o", "./a=b")
    assert result.stdout == ""
    assert Path("x.sarif").read_text() == Path("a=b").read_text() == printed


def test_nothing_is_replaced_unasked() -> None:
    Path("x.json").write_text("mine")
    for option in (["-o", "json=x.json"], ["--write-baseline", "x.json"]):
        error = run("a.ovf", *option).exception
        assert isinstance(error, RefusedError)
        assert str(error) == "x.json: exists already"
        assert Path("x.json").read_text() == "mine"
    assert run("a.ovf", "-o", "json=x.json", "--force").exit_code == 1
    assert Path("x.json").read_text() != "mine"
    assert run("a.ovf", "-o", "json=").exit_code == 2


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "sarrif=x.json",
            "Error: Invalid value for '-o' / '--output': 'sarrif' is no form of report (there are "
            "github, gitlab, html, json, junit, sarif, text); a file is ./sarrif=x.json\n",
        ),
        (
            "json=-",
            "Error: Invalid value for '-o' / '--output': '-' is no file; --format says what is "
            "printed\n",
        ),
    ],
)
def test_an_output_that_is_misspelled_is_wrong_usage(output: str, said: str) -> None:
    result = run("a.ovf", "-o", output)
    assert result.exit_code == 2
    assert result.stderr.endswith(said)


REPLACING = {
    "a report": ("a.ovf", "-o", "sarif=./a.ovf"),
    "a baseline": ("a.ovf", "--write-baseline", "a.ovf"),
    "a report by another name": ("a.ovf", "-o", "hard.ovf"),
    "a report in place of a manifest": ("a.ovf", "-o", "a.mf"),
}


@pytest.mark.parametrize("case", REPLACING)
def test_no_report_takes_the_place_of_what_is_judged(case: str, here: Path) -> None:
    (here / "hard.ovf").hardlink_to(here / "a.ovf")
    (here / "a.mf").write_text("")
    before = (here / "a.ovf").read_bytes()
    *_, output = REPLACING[case]
    error = run(*REPLACING[case], "--force").exception
    assert isinstance(error, RefusedError)
    where = output.removeprefix("sarif=./")
    assert (str(error), error.hint) == (f"{where}: would replace what is read", NAME_ANOTHER)
    assert ((here / "a.ovf").read_bytes(), (here / "a.mf").read_bytes()) == (before, b"")


@pytest.mark.parametrize(
    "outputs", [["-o", "x", "-o", "sarif=./x"], ["-o", "x", "--write-baseline", "x"]]
)
def test_no_file_takes_two_outputs(outputs: list[str]) -> None:
    error = run("a.ovf", *outputs).exception
    assert isinstance(error, UsageError)
    assert (str(error), error.hint) == (
        "x: is named for two outputs",
        "Give each a name of its own.",
    )


def test_a_report_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_text", full)
    for option in (["-o", "x.json"], ["--write-baseline", "x.json"]):
        error = run("a.ovf", *option).exception
        assert isinstance(error, EnvironmentFailureError)
        assert str(error) == "x.json: cannot be written (No space left on device)"


def test_a_source_that_cannot_be_reached_is_told_and_the_others_judged() -> None:
    long = "n" * 300 + ".ova"
    result = run("a.ovf", long, "--package", "a.ovf", "--format", "json")
    assert isinstance(result.exception, UsageError)
    result = run(long, "a.ovf", "--format", "json")
    assert isinstance(result.exception, EnvironmentFailureError)
    assert str(result.exception) == f"{long}: cannot be opened (File name too long)"
    assert rules_of(result) == ["DSK-002"]


def test_a_baseline_accepts_what_there_was_and_nothing_new() -> None:
    result = run("a.ovf", "--write-baseline", "base.json")
    assert result.exit_code == 0
    assert result.stdout == "0 errors, 0 warnings, 0 remarks; 1 in the baseline\n"
    write("a.ovf", "d", above="\n\n<!-- lines move -->\n")
    assert run("a.ovf", "--baseline", "base.json").exit_code == 0
    write("a.ovf", "d", "e")
    result = run("a.ovf", "--baseline", "base.json", "--format", "json")
    assert (result.exit_code, states_of(result)) == (1, ["baselined", "active"])
    result = run("a.ovf", "--baseline", "base.json", "--write-baseline", "base.json", "--force")
    assert result.exit_code == 0
    assert run("a.ovf", "--baseline", "base.json").exit_code == 0


def test_entries_of_a_baseline_that_fit_nothing_are_told() -> None:
    run("a.ovf", "b.ovf", "--write-baseline", "base.json")
    assert run("a.ovf", "b.ovf", "--baseline", "base.json").stderr == ""
    result = run("a.ovf", "--baseline", "base.json")
    assert result.stderr == (
        "note: base.json: 2 entries fit nothing any more; --write-baseline renews it\n"
    )
    assert result.exit_code == 0
    write("b.ovf", "d")
    assert run("a.ovf", "b.ovf", "--baseline", "base.json").stderr == (
        "note: base.json: 1 entry fits nothing any more; --write-baseline renews it\n"
    )
    assert run("none.ovf", "--baseline", "base.json").stderr == ""


def test_no_baseline_is_written_of_sources_that_could_not_be_judged() -> None:
    result = run("a.ovf", "none.ovf", "--write-baseline", "base.json")
    assert isinstance(result.exception, UsageError)
    assert not Path("base.json").exists()


def test_a_comment_accepts_unless_nobody_listens() -> None:
    write("a.ovf", "d", above="<!-- rehost: ignore DSK-002 an empty disk -->\n")
    result = run("a.ovf")
    assert result.exit_code == 0
    assert result.stdout == "0 errors, 0 warnings, 0 remarks; 1 suppressed in descriptors\n"
    assert run("a.ovf", "--no-remarks").exit_code == 1
    [found] = json.loads(run("a.ovf", "--format", "sarif").stdout)["runs"][0]["results"]
    assert found["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "an empty disk (a.ovf:2)"}
    ]


def test_settings_accept_by_rule_and_file() -> None:
    settings = {"suppress": [{"rules": ["DSK"], "path": "a.*", "reason": "known"}]}
    result = run("a.ovf", "b.ovf", "--format", "json", settings=settings)
    assert states_of(result) == ["suppressed", "active", "active"]
    error = run("a.ovf", settings={"suppress": [{"rules": ["DSK"]}]}).exception
    assert str(error) == "[[validate.suppress]]: has no reason (DSK)"


def test_settings_hold_for_runs_of_all_importers_but_not_for_rules_there_are_not() -> None:
    suppress = [{"rules": ["VBX-001", "dsk"], "reason": "known"}]
    settings = {"suppress": suppress, "ignore": ["VMW"], "severity": ["AWS-001=info"]}
    assert states_of(run("a.ovf", "--format", "json", settings=settings)) == ["suppressed"]
    suppress[0]["rules"] = ["DSK", "DISK"]
    error = run("a.ovf", settings=settings).exception
    assert isinstance(error, UsageError)
    assert (str(error), error.hint) == (
        "[[validate.suppress]]: no rule has an id that is or begins with 'DISK'",
        "`rehost ovf explain` lists all.",
    )


def test_settings_are_one_value_or_several_and_known() -> None:
    everything = rules_of(run("b.ovf", "--format", "json"))
    for select in ("DSK", ["DSK"], "ITM,DSK", ["ITM", "DSK"]):
        assert rules_of(run("b.ovf", "--format", "json", settings={"select": select})) == everything
    assert rules_of(run("b.ovf", "--format", "json", settings={"select": "ITM"})) == []
    result = run("a.ovf", settings={"severity": "DSK=info", "fail_on": "warning"})
    assert result.exit_code == 0
    error = run("a.ovf", settings={"fail_at": "warning"}).exception
    assert isinstance(error, UsageError)
    assert (str(error), error.hint) == (
        "[validate]: has a setting that is not known ('fail-at')",
        "Did you mean fail-on?",
    )
    error = run("a.ovf", settings={"colour": "red"}).exception
    assert isinstance(error, UsageError)
    assert error.hint == "See `rehost validate --help`."


def rehost(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
    )


def test_settings_come_from_the_file(here: Path) -> None:
    (here / "rehost.toml").write_text(
        "[validate]\n"
        'severity = ["DSK=warning"]\n'
        "[[validate.suppress]]\n"
        'rules = ["DSK-002"]\npath = "b.ovf"\nreason = "known"\n'
    )
    done = rehost("validate", "a.ovf", "b.ovf")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("0 errors, 1 warning, 0 remarks; 2 suppressed by settings\n")
    assert "\x1b" not in done.stdout


def test_an_error_is_told_once_and_has_its_code() -> None:
    done = rehost("validate", "none.ovf")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: none.ovf: no such file\n")
    assert rehost("validate", "a.ovf").returncode == 1


def test_what_is_broken_everywhere_is_listed_so_often_and_then_counted() -> None:
    write("a.ovf", *map(str, range(MOST_ALIKE + 3)))
    document = json.loads(run("a.ovf", "--select", "DSK-002", "--format", "json").stdout)
    *listed, last = document["findings"]
    assert len(listed) == MOST_ALIKE
    assert len({finding["message"] for finding in listed}) == 1
    assert (last["file"], last["line"], last["severity"]) == ("a.ovf", None, "error")
    assert last["message"] == "is broken in 3 more places, which are not listed"


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_gets_colours_unless_it_wants_none(variables: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.run(
        [sys.executable, "-c", START, "validate", "a.ovf"],
        stdout=theirs,
        check=False,
        timeout=60,
        env=plain | {"PYTHONPATH": str(ROOT), "TERM": "xterm"} | variables,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 1
    assert ("\x1b[31m" in shown) is not bool(variables)
    assert "[DSK-002]" in shown
