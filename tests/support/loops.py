"""Files as block devices, where root may make loop devices."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LONGEST = 20


@contextmanager
def loop_device(backing: Path, *options: str) -> Iterator[Path]:
    """Yield the block device whose content is a file; skip the test where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("making a loop device needs root")
    argv = ["losetup", "--find", "--show", *options, str(backing)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LONGEST)
    if done.returncode:
        pytest.skip(f"no loop device can be made here ({done.stderr.strip()})")
    device = Path(done.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True, timeout=LONGEST)
