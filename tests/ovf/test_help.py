"""Help: whole at any width, every option explained, and examples that are calls."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from ovf.cli import validate
from rehost.console.main import rehost
from tests.support.generated import ROOT

Path = tuple[str, ...]
BEGIN = "  rehost "


def commands(
    command: click.Command = rehost, path: Path = ()
) -> Iterator[tuple[Path, click.Command]]:
    """Yield every command there is, groups too, by the words it is called with."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


ALL = dict(commands())
GROUPS = [path for path, command in ALL.items() if isinstance(command, click.Group)]
EXAMPLES = [
    line.removeprefix(BEGIN)
    for command in ALL.values()
    for line in (command.epilog or "").splitlines()
    if line.startswith(BEGIN)
]


def help_of(path: Path) -> str:
    """Return a command's help on a terminal of 60 columns."""
    return CliRunner().invoke(rehost, [*path, "--help"], terminal_width=60).stdout


def called(path: Path) -> str:
    return " ".join(path) or "rehost"


@pytest.mark.parametrize("path", GROUPS, ids=called)
def test_no_line_of_a_list_of_commands_is_cut(path: Path) -> None:
    shown = help_of(path)
    listed = shown.partition("Commands:\n")[2]
    assert listed
    assert "..." not in listed


@pytest.mark.parametrize("path", ALL, ids=called)
def test_every_option_is_explained(path: Path) -> None:
    options = [each for each in ALL[path].params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


@pytest.mark.parametrize("path", [path for path in ALL if path[:1] == ("ovf",)], ids=called)
def test_help_fits_a_narrow_terminal(path: Path) -> None:
    shown = help_of(path)
    told = shown.partition("  Examples:\n")[0]
    assert [line for line in told.splitlines() if len(line) > 60] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_call(example: str) -> None:
    arguments = shlex.split(example)
    command: click.Command = rehost
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments.pop(0))
        assert found is not None
        command = found
    assert command.make_context("x", arguments).params


def test_the_readme_shows_calls_of_validate() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    calls = [line for line in lines if line.startswith("rehost validate ") and "SOURCE" not in line]
    assert len(calls) > 5
    for call in calls:
        arguments = call.partition("   ")[0].split()[2:]
        assert validate.make_context("validate", arguments).params["sources"]
