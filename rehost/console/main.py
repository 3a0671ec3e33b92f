"""The ``rehost`` command: finds its subcommands by entry points and gives every end its exit code.

0 fine, 1 findings, losses or no boot, 2 usage, 3 damaged input, 4 unsupported input, 5 environment,
6 refused, 7 transfer, 10 changes found by a dry run, 70 a bug (with its traceback), 130 and 143 on
SIGINT and SIGTERM, 141 when whoever read standard output has gone.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Any, NoReturn

import click

from rehost import __version__
from rehost.console.output import one_line, say
from rehost.console.progress import MODES, progress_for
from rehost.console.settings import defaults, fit, fit_all
from rehost.errors import EnvironmentFailureError, InteropError

COMMANDS = "rehost.commands"
BUG = 70
INTERRUPTED = 130
PIPE_CLOSED = 141
TERMINATED = 143
GARBAGE = 100_000


class _ReaderGoneError(Exception):
    """Nobody reads standard output any more."""


class Commands(click.Group):
    """A group whose commands are entry points, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands installed."""
        del ctx
        return sorted(_installed())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command, refusing settings it cannot be given."""
        found = _installed().get(cmd_name)
        command: click.Command | None = found.load() if found else None
        if command is not None:
            settings = (ctx.default_map or {}).get(cmd_name, {})
            fit_all(command, settings, ctx, cmd_name)
        return command

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """Read the arguments; help is printed here."""
        with _broken_pipe_told():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with _broken_pipe_told():
            return super().invoke(ctx)


@contextmanager
def _broken_pipe_told() -> Iterator[None]:
    """Keep click from turning a broken pipe into exit code 1, which means findings here."""
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderGoneError from error


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=COMMANDS)}


@click.group(
    cls=Commands,
    context_settings={"auto_envvar_prefix": "REHOST", "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="rehost")
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
@click.option("-v", "--verbose", count=True, help="Say what is being done; twice: in detail.")
@click.option(
    "--progress",
    type=click.Choice(MODES),
    default="auto",
    show_default=True,
    help="How progress is shown on standard error.",
)
@click.pass_context
def rehost(ctx: click.Context, *, quiet: bool, verbose: int, progress: str) -> None:
    """Move machines between hypervisors by the published standards, and prove that they arrive."""
    level = (
        logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    )
    logging.basicConfig(level=level, stream=sys.stderr, format="%(message)s")
    ctx.obj = progress_for("none" if quiet else progress)
    ctx.call_on_close(ctx.obj.close)


def main() -> NoReturn:
    """Run the command line and exit."""
    _open_streams()
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(GARBAGE)  # runs and pieces by the million make no cycles
    try:
        code = run(sys.argv[1:])
    except Exception:  # Python's own exit code for a traceback means findings here
        with suppress(OSError):
            traceback.print_exc()
        code = BUG
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        settings = defaults(_installed())
        fit(rehost, settings, "rehost")
        done: Any = rehost.main(
            arguments, prog_name="rehost", standalone_mode=False, default_map=settings
        )
    except InteropError as error:
        where = f"{one_line(error.where)}: " if error.where else ""
        _complain(where + error.what, error.hint)
        return error.exit_code
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted", "")
        return INTERRUPTED
    except _ReaderGoneError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _complain("standard output cannot be written (no space left)", "")
        return EnvironmentFailureError.exit_code
    return done if isinstance(done, int) else 0


def _complain(what: str, hint: str) -> None:
    with suppress(OSError):  # whoever read standard error has gone; the code still tells
        say(f"error: {what}", err=True)
        if hint:
            say(f"hint: {hint}", err=True)


def _open_streams() -> None:
    """Let nothing be opened in the place of a standard stream that was closed by the caller."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, "r" if name == "stdin" else "w"))


def _terminate(number: int, frame: FrameType | None) -> None:
    """Leave by an exception, so that everything half done is cleaned up."""
    del number, frame
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(TERMINATED)
