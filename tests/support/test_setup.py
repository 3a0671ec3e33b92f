"""Setting up says in one line what is missing and how to get it, and installs only as root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SETUP = Path(__file__).parent / "setup"


def setup(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run the script where these programs answer with these shell scripts."""
    for name, script in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return subprocess.run(
        [SETUP],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "PYTHON": sys.executable},
    )


def test_an_ordinary_user_is_told_what_to_install(tmp_path: Path) -> None:
    query = 'test "$4" = mtools && exit 1; test "$4" = cpio && exit 1; printf installed'
    done = setup(tmp_path, dpkg_query=query, id="echo 1000")
    assert done.stderr == ("Missing: mtools cpio. Install with: sudo apt-get install mtools cpio\n")
    assert done.returncode == 1


def test_root_installs_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    query = 'test "$4" = mtools && exit 1; printf installed'
    done = setup(
        tmp_path, dpkg_query=query, id="echo 0", apt_get=f'echo "$@" >>{log}; test "$2" = update'
    )
    assert log.read_text().splitlines()[-1] == "-q install -y --no-install-recommends mtools"
    assert done.returncode != 0


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    python = 'test "$1" = --version && { echo Python 3.9.2; exit; }; exit 1'
    done = subprocess.run(
        [SETUP],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHON": str(_program(tmp_path / "python", python))},
    )
    assert done.stderr == (
        "Python 3.9.2 is too old: Python 3.11 or later is needed (set PYTHON to one).\n"
    )
    assert done.returncode == 1


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
