"""What both producers' descriptors are made from: the same machine, to be said in two dialects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from rehost.machine import Firmware

MEMORY_MIB = 512
PROCESSORS = 1
STREAM_FORMAT = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
Controller = Literal["lsilogic", "lsilogicsas", "pvscsi", "ahci", "ide"]


@dataclass(frozen=True, slots=True)
class PackedDisk:
    """A disk in the package. ``uuid`` is VirtualBox's, ``populated`` VMware's to know."""

    file: str
    size: int
    capacity: int
    populated: int = 0
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine a descriptor describes."""

    name: str
    firmware: Firmware
    controller: Controller
    disks: tuple[PackedDisk, ...]
    nics: int


def item(**elements: object) -> str:
    """Return an Item with these rasd elements, which have to come in the order of the alphabet."""
    lines = [
        f"        <rasd:{name}>{escape(str(elements[name]))}</rasd:{name}>"
        for name in sorted(elements)
    ]
    return "\n".join(("      <Item>", *lines, "      </Item>"))
