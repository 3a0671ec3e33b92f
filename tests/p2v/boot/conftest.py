"""One way to boot a disk of one sector, for all tests of the verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from converters.qemu_command import Accelerator
from converters.qemu_storage import Drive
from p2v.boot.trial import boot
from rehost.machine import Disk, Machine, Origin
from rehost.verdict import Verdict
from tests.support import boot_sectors

MACHINE = Machine("probe", Origin("test", "test"), memory=64 << 20, disks=(Disk(),))

Boot = Callable[..., Verdict]


@pytest.fixture
def boot_sector(tmp_path: Path) -> Boot:
    """Return a function that boots a sector under TCG and returns the verdict."""

    def run(sector: bytes = b"", *, machine: Machine = MACHINE, **options: object) -> Verdict:
        drive = Drive(str(boot_sectors.disk(tmp_path / "disk.raw", sector)))
        options = {"timeout": 30.0, "wish": Accelerator.TCG, **options}
        return boot(machine, [drive], evidence=tmp_path / "evidence", **options)  # type: ignore[arg-type]

    return run
