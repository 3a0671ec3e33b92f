"""What a machine boots from: the order of its disks, and that of the classes of its devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rehost.machine import Address, BootDevice, Bus
from tests.ovf.builders import SCSI, descriptor, item, machine_of, told
from tests.ovf.machines.test_hardware import NO_WORD, blank


def test_disks_are_ordered_by_controller_and_place_and_losses_follow_them(tmp_path: Path) -> None:
    def hung(number: int, **more: Any) -> str:
        resource = f"ovf:/disk/{number}"
        return item(InstanceID=number, ResourceType=17, HostResource=resource, **more)

    text = descriptor(
        hung(20),
        hung(21, Parent=4, AddressOnParent=0),
        hung(22, Parent=3),
        hung(23, Parent=3, AddressOnParent=9),
        hung(24, Parent=3, AddressOnParent=2),
        hung(25),
        item(InstanceID=4, ResourceType=6, ResourceSubType="lsilogic", Address=1),
        SCSI,
        disks="".join(blank(str(number), str(number)) for number in range(20, 26)),
    )
    machine, losses = machine_of(tmp_path, text)
    assert [(found.size, found.address) for found in machine.disks] == [
        (22, Address(Bus.SCSI, 0, 0)),
        (24, Address(Bus.SCSI, 0, 2)),
        (23, Address(Bus.SCSI, 0, 9)),
        (21, Address(Bus.SCSI, 1, 0)),
        (20, None),
        (25, None),
    ]
    assert told(losses) == [
        "assumed disks[4].address | None | left to the target | the descriptor names no Parent",
        "assumed disks[0].address | None | scsi0:0"
        " | the descriptor gives no AddressOnParent; the next free place is taken",
        "assumed disks[5].address | None | left to the target | the descriptor names no Parent",
    ]


def test_vmwares_boot_order_is_read_and_unknown_devices_are_reported(tmp_path: Path) -> None:
    def boot(kind: str, more: str = "") -> str:
        return f'<vmw:BootOrderSection vmw:type="{kind}" {more}><Info/></vmw:BootOrderSection>\n'

    sections = boot("net", 'vmw:instanceId="7"') + boot("tape") + boot("disk") + boot("cdrom")
    machine, losses = machine_of(tmp_path, descriptor(sections=sections + boot("floppy")))
    assert machine.boot_order == (
        BootDevice.NETWORK,
        BootDevice.DISK,
        BootDevice.CDROM,
        BootDevice.FLOPPY,
    )
    assert told(losses) == [
        f"dropped web.ovf:9 vmw:BootOrderSection | None | None | {NO_WORD}",
        f"dropped web.ovf:8 vmw:BootOrderSection/@instanceId | 7 | None | {NO_WORD}",
    ]
