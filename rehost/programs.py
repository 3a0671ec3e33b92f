"""Running other people's programs: one way to do it, with their own words kept in the error."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from rehost.errors import EnvironmentFailureError


def find(program: str, *, package: str) -> str:
    """Return the path of ``program``, or say which Debian package brings it."""
    path = shutil.which(program)
    if path is None:
        raise EnvironmentFailureError(
            f"{program} is not installed", hint=f"Install it: apt-get install {package}"
        )
    return path


def run(argv: Sequence[str], *, seconds: float) -> str:
    """Run a program to its end and return what it wrote to standard output."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except OSError as error:
        raise EnvironmentFailureError(f"{argv[0]} cannot be run ({error.strerror})") from error
    except subprocess.TimeoutExpired:
        raise EnvironmentFailureError(f"{argv[0]} did not end within {seconds:g} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise EnvironmentFailureError(
            f"{argv[0]} failed ({said[-1] if said else f'exit code {done.returncode}'})"
        )
    return done.stdout
