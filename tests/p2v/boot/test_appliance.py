"""A real Linux, in the packages VMware and VirtualBox write, and what a conversion leaves."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

import pytest

from converters.qemu_command import Accelerator
from converters.sources import open_source
from p2v.boot.sources import machines_in
from p2v.boot.trial import boot
from p2v.boot.verify import verify
from rehost.machine import Disk, Firmware, Machine, Origin
from rehost.verdict import Cause, Verdict
from tests.support.appliance import Recipe, build_disk, build_ova

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

MARKER = re.compile("^REHOST-MARKER booted", re.MULTILINE)
SECONDS = 240.0


def attempt(path: Path, evidence: Path, expect: re.Pattern[str] | None = MARKER) -> Verdict:
    (found,) = machines_in(open_source(path))
    return boot(
        found.machine,
        found.disks,
        media=found.media,
        evidence=evidence,
        timeout=SECONDS,
        expect=expect,
        wish=Accelerator.TCG,
    )


@pytest.mark.parametrize("style", ["vmware", "virtualbox"])
@pytest.mark.parametrize("firmware", list(Firmware))
def test_an_appliance_boots_inside_its_ova(
    tmp_path: Path, style: Literal["vmware", "virtualbox"], firmware: Firmware
) -> None:
    verdict = attempt(build_ova(style, firmware), tmp_path / "evidence")
    said = f"REHOST-MARKER booted firmware={firmware} memory=512MiB cpus=1 disks=sda:268435456 "
    assert verdict.cause is Cause.BOOTED
    assert verdict.evidence.startswith(said)


def test_an_appliance_boots_to_its_login(tmp_path: Path) -> None:
    verdict = attempt(build_disk(Firmware.BIOS), tmp_path / "evidence", None)
    assert (verdict.cause, verdict.evidence) == (Cause.BOOTED, "rehost login:")


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    disk = build_disk(Recipe(Firmware.BIOS, root="/dev/vdz9"))
    verdict = attempt(disk, tmp_path / "evidence")
    assert (verdict.cause, verdict.evidence) == (
        Cause.NO_ROOT_FILE_SYSTEM,
        "ALERT! /dev/vdz9 does not exist. Dropping to a shell!",
    )


def test_what_a_conversion_left_is_verified(tmp_path: Path) -> None:
    shutil.copyfile(build_disk(Firmware.UEFI), tmp_path / "web.raw")
    machine = Machine(
        "web 1",
        Origin("ovf", "web.ovf"),
        firmware=Firmware.UEFI,
        disks=(Disk(file="web.raw", format="raw"),),
    )
    verdict = verify(machine, tmp_path, tmp_path / "evidence", expect=None, seconds=300)
    assert (verdict.cause, verdict.evidence) == (Cause.BOOTED, "rehost login:")
    assert verdict.serial_log == tmp_path / "evidence" / "web-1" / "serial.log"
    assert verify(machine, tmp_path, tmp_path / "evidence", expect=None, seconds=300).booted


def test_a_sas_disk_shows_itself_to_linux(tmp_path: Path) -> None:
    verdict = attempt(build_ova("vmware", Firmware.BIOS, controller="lsilogicsas"), tmp_path)
    assert "mptsas1068" in (tmp_path / "command.txt").read_text()
    assert "disks=sda:268435456" in verdict.evidence
