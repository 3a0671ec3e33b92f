"""The ``rehost`` command as a process: exit codes, signals, pipes, and what starting it costs.

Its commands are entry points, so these tests install some: a folder with the metadata of a
package, which Python finds like any other.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS = 120
ROOT = Path(__file__).parents[2]
START = "from rehost.console.main import main; main()"
METADATA = "Metadata-Version: 2.1\nName: rehost-tests\nVersion: 0\n"
COMMANDS = '''
import os, time
from pathlib import Path
import click
from rehost import errors
from rehost.outputs import staged

@click.command()
@click.argument("kind")
def fail(kind):
    """Fail in one of the ways there are."""
    if kind == "bug":
        raise ZeroDivisionError("a bug")
    if kind == "two_lines":
        raise errors.DamagedInputError("is broken", where="a\\nerror: b")
    if kind == "eof":
        raise EOFError
    if kind == "full":
        raise OSError(28, "No space left on device")
    raise getattr(errors, kind)("is broken (found 3)", where="a.vhd at 5", hint="Copy it again.")

@click.command()
@click.option("--code", type=int)
def answer(code):
    """Return a code.

    The rest of the story.
    """
    click.echo("x" * 200_000)
    return code

@click.command()
@click.argument("path", type=Path)
@click.pass_obj
def work(progress, path):
    """Work for a long time."""
    progress.start("copy", 100)
    with staged(path) as new:
        new.write_bytes(b"half")
        progress.advance(40)
        print("ready", flush=True)
        time.sleep(60)

@click.command()
@click.pass_obj
def quick(progress):
    """Work for a short time."""
    progress.start("copy", 100)
    progress.advance(100)
'''


@dataclass(frozen=True)
class Console:
    """The command line with commands of our own, in a folder of its own."""

    folder: Path
    environment: dict[str, str]

    def argv(self, *arguments: str) -> list[str]:
        """Return how to call it."""
        return [sys.executable, "-c", START, *arguments]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.argv(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            env=self.environment | variables,
        )

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it and wait until it says that it is ready."""
        process = subprocess.Popen(
            self.argv(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process


def installed(place: Path, commands: dict[str, str]) -> Path:
    metadata = place / "rehost_tests-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(METADATA)
    points = [f"{name} = {where}\n" for name, where in commands.items()]
    (metadata / "entry_points.txt").write_text("[rehost.commands]\n" + "".join(points))
    return place


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """Install four commands."""
    names = ("fail", "answer", "work", "quick")
    place = installed(tmp_path / "site", {name: f"console_tests:{name}" for name in names})
    (place / "console_tests.py").write_text(COMMANDS)
    folder = tmp_path / "here"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if "REHOST" not in name}
    return Console(folder, environment | {"PYTHONPATH": f"{place}:{ROOT}"})


ERRORS = [
    ("UsageError", 2),
    ("DamagedInputError", 3),
    ("UnsupportedInputError", 4),
    ("EnvironmentFailureError", 5),
    ("RefusedError", 6),
    ("TransferError", 7),
]


@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_an_error_is_two_lines_and_its_code(console: Console, kind: str, code: int) -> None:
    done = console.run("fail", kind)
    assert done.stderr == "error: a.vhd at 5: is broken (found 3)\nhint: Copy it again.\n"
    assert (done.returncode, done.stdout) == (code, "")


def test_a_name_of_two_lines_is_one_line_of_the_error(console: Console) -> None:
    done = console.run("fail", "two_lines")
    assert done.stderr == "error: a\\u000aerror: b: is broken\n"


def test_a_bug_keeps_its_traceback_and_has_a_code_of_its_own(console: Console) -> None:
    done = console.run("fail", "bug")
    assert done.returncode == 70
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("\nZeroDivisionError: a bug\n")


def test_no_space_for_standard_output_is_no_bug(console: Console) -> None:
    said = "error: standard output cannot be written (no space left)\n"
    done = console.run("fail", "full")
    assert (done.returncode, done.stderr) == (5, said)
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            console.argv("answer"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            cwd=console.folder,
            env=console.environment,
        )
    assert (process.returncode, process.stderr) == (5, said)


@pytest.mark.parametrize("code", [0, 1, 10])
def test_a_command_returns_its_code(console: Console, code: int) -> None:
    assert console.run("answer", "--code", str(code)).returncode == code


def test_a_command_that_returns_nothing_went_well(console: Console) -> None:
    assert console.run("answer").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fial"], "Error: No such command 'fial'."),
        (["--wrong"], "Error: No such option '--wrong'."),
        (
            ["answer", "--code", "x"],
            "Error: Invalid value for '--code': 'x' is not a valid integer.",
        ),
        (
            ["--progress", "loud", "quick"],
            "Error: Invalid value for '--progress': 'loud' is not one of",
        ),
    ],
)
def test_wrong_usage_is_code_2(console: Console, arguments: list[str], said: str) -> None:
    done = console.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_and_leaves_nothing(
    console: Console, number: signal.Signals, code: int
) -> None:
    process = console.started("work", "out/disk.raw")
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in said
    assert list(console.folder.iterdir()) == []
    if number == signal.SIGINT:
        assert said.strip() == "error: interrupted"


def test_a_reader_who_leaves_is_no_finding(console: Console) -> None:
    for arguments in (["answer"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            console.argv(*arguments),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            cwd=console.folder,
            env=console.environment,
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["fail", "DamagedInputError"], 3), (["fail", "bug"], 70), (["quick"], 0), (["--wrong"], 2)],
)
@pytest.mark.parametrize("end", ["2>&-", "2>&- >&- <&-", "2>&1 | true"])
def test_nobody_reads_the_errors_and_the_code_is_the_same(
    console: Console, arguments: list[str], code: int, end: str
) -> None:
    called = shlex.join(console.argv(*arguments))
    said = "; echo $? >code"
    script = f"{{ {called}{said}; }} {end}" if "|" in end else f"{called} {end}{said}"
    subprocess.run(
        ["sh", "-c", script], check=False, timeout=60, cwd=console.folder, env=console.environment
    )
    assert (console.folder / "code").read_text() == f"{code}\n"


def test_help_lists_the_commands_installed(console: Console) -> None:
    done = console.run("--help")
    assert done.returncode == 0
    listed = [line.strip().split(maxsplit=1) for line in done.stdout.splitlines()]
    for name, said in (
        ("answer", "Return a code."),
        ("fail", "Fail in one of the ways there are."),
        ("quick", "Work for a short time."),
        ("work", "Work for a long time."),
    ):
        assert [name, said] in listed
    assert console.run("-h").stdout == done.stdout


def test_the_version_is_told(console: Console) -> None:
    from rehost import __version__

    assert console.run("--version").stdout == f"rehost, version {__version__}\n"


def own_commands() -> dict[str, str]:
    """Return the commands that pyproject declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared: dict[str, str] = project["project"]["entry-points"]["rehost.commands"]
    return declared


def imported(said: str) -> set[str]:
    """Return the packages that -X importtime names."""
    lines = [
        line.rsplit("|", 1)[-1].strip() for line in said.splitlines() if "import time:" in line
    ]
    return {line.split(".")[0] for line in lines}


HEAVY = {
    "numpy",
    "lxml",
    "rich",
    "isal",
    "msgspec",
    "xmlschema",
    "cryptography",
    "pycdlib",
    "asyncio",
}


def imports_of(code: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return imported(done.stderr)


@pytest.mark.parametrize(
    "name",
    list(own_commands()),
)
def test_loading_a_command_for_its_help_imports_nothing_heavy(tmp_path: Path, name: str) -> None:
    module = own_commands()[name].split(":")[0]
    assert imports_of(f"import {module}", tmp_path) & HEAVY == set()


def test_starting_imports_nothing_heavy(tmp_path: Path) -> None:
    assert imports_of("import rehost.console.main", tmp_path) & HEAVY == set()


def test_help_takes_less_than_a_second(console: Console) -> None:
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert console.run("--help").returncode == 0
        took.append(time.monotonic() - began)
    assert min(took) < 1


def test_json_progress_is_lines_on_standard_error(console: Console) -> None:
    done = console.run("--progress", "json", "quick")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["phase"], line["done"], line["total"]) for line in lines] == [
        ("copy", 0, 100),
        ("copy", 100, 100),
    ]
    assert all(set(line) == {"phase", "done", "total", "elapsed"} for line in lines)
    assert done.stdout == ""


def test_json_progress_survives_an_interruption(console: Console) -> None:
    process = console.started("--progress", "json", "work", "disk.raw")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert [json.loads(line)["done"] for line in said.splitlines()] == [0, 40]


@pytest.mark.parametrize("arguments", [["-q", "quick"], ["--progress", "none", "quick"], ["quick"]])
def test_quiet_work_says_nothing(console: Console, arguments: list[str]) -> None:
    done = console.run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def on_terminal(console: Console, *arguments: str, **variables: str) -> bytes:
    """Run with standard error on a terminal and return what it got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        console.argv(*arguments),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=console.folder,
        env=console.environment | {"TERM": "xterm"} | variables,
    )
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            more = os.read(ours, 4096)
        except OSError:
            break
        if not more:
            break
        said += more
    os.close(ours)
    assert process.wait(timeout=30) == 0
    return said


def test_a_terminal_shows_a_bar_in_colour_unless_no_color_is_set(console: Console) -> None:
    variables = {"NO_COLOR": ""} if "NO_COLOR" in console.environment else {}
    assert b"copy" in on_terminal(console, "quick", **variables)
    plain = on_terminal(console, "quick", NO_COLOR="1")
    assert b"copy" in plain
    assert b"\x1b[3" not in plain


def test_settings_come_from_variables_and_files_and_flags_win(console: Console) -> None:
    assert console.run("answer", REHOST_ANSWER_CODE="10").returncode == 10
    (console.folder / "rehost.toml").write_text('progress = "json"\n[answer]\ncode = 1\n')
    assert console.run("answer").returncode == 1
    assert console.run("answer", REHOST_ANSWER_CODE="10").returncode == 10
    assert console.run("answer", "--code", "0", REHOST_ANSWER_CODE="10").returncode == 0
    assert console.run("quick").stderr.startswith('{"phase": "copy"')


def test_settings_that_make_no_sense_are_code_2(console: Console) -> None:
    (console.folder / "rehost.toml").write_text("answer = 5\n")
    done = console.run("answer")
    assert (done.returncode, done.stderr) == (2, "error: rehost.toml: answer is no table (5)\n")
    (console.folder / "rehost.toml").write_text("answer\n")
    done = console.run("answer")
    assert done.returncode == 2
    assert done.stderr.startswith("error: rehost.toml: is no TOML (")


def test_shell_completion_knows_the_commands(console: Console) -> None:
    variables = {"_REHOST_COMPLETE": "bash_complete", "COMP_WORDS": "rehost an", "COMP_CWORD": "1"}
    assert console.run(**variables).stdout == "plain,answer\n"
