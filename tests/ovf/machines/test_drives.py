"""What is in a drive, however its HostResource is spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehost.machine import Address, Bus, Disk
from rehost.report import dropped
from tests.ovf.builders import SCSI, descriptor, item, machine_of

SPELLED = ("ovf:/disk/d", "/disk/d", "ovf://disk/d", "ovf:disk/d", "disk/d")
DISK = '<Disk ovf:diskId="d" ovf:capacity="7"/>'


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_disk_is_found_however_its_drive_spells_it(tmp_path: Path, spelled: str) -> None:
    drive = item(InstanceID=9, ResourceType=17, Parent=3, AddressOnParent=0, HostResource=spelled)
    machine, losses = machine_of(tmp_path, descriptor(SCSI, drive, disks=DISK))
    assert machine.disks == (Disk(Address(Bus.SCSI, 0, 0), 7),)
    assert losses == []


def test_a_resource_of_the_package_that_nobody_reads_is_told(tmp_path: Path) -> None:
    drive = item(InstanceID=9, ResourceType=15, HostResource="ovf:/disks/d", ElementName="CD")
    _, losses = machine_of(tmp_path, descriptor(drive))
    assert losses[1] == dropped(
        "web.ovf:12 Item 'CD' HostResource",
        "ovf:/disks/d",
        "is neither ovf:/disk/ and a diskId nor ovf:/file/ and the id of a File",
    )
