"""Disks and drives with removable media, and the files of the package that are in them.

Spec: DSP0243 clause 8.3, table 3 (``HostResource``: ``ovf:/disk/<diskId>``, ``ovf:/file/<id>``)
and clause 9.1 (DiskSection: empty disks, capacities, delta disks).

The standard gives the order of items no meaning, but firmware boots from the first of several
disks: so disks are ordered by their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ovf.backing import backing_of, is_of_package
from ovf.cim import ResourceType
from ovf.envelope import Reference, VirtualDisk
from ovf.machines.controllers import Controllers
from ovf.machines.items import Item, Reading
from ovf.package import name_of
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.machine import Controller, Disk, MediaKind, Removable
from rehost.tracked import summary

MEDIA = {
    ResourceType.FLOPPY: MediaKind.FLOPPY,
    ResourceType.CD: MediaKind.CDROM,
    ResourceType.DVD: MediaKind.CDROM,
}


class Drives:
    """Reads the drives of one machine in the order of its items; ``settle`` orders its disks."""

    def __init__(self, items: list[Item], controllers: Controllers, reading: Reading) -> None:
        self._controllers = controllers
        self._reading = reading
        self._instances = frozenset(item.instance for item in items if item.instance is not None)
        self.disks: list[Disk] = []
        self.removables: list[Removable] = []
        self.used: set[str] = set()

    def disk(self, item: Item) -> None:
        """Read a hard disk: a file of the package, or an empty disk."""
        name = f"disks[{len(self.disks)}]"
        address = self._controllers.place(item, f"{name}.address", self._instances)
        backing = self._backing(item)
        if isinstance(backing, VirtualDisk):
            file, size = self._contents(backing), self._reading.envelope.capacity(backing)
            if size == 0 and file is None:
                raise DamagedInputError("empty disk has no capacity", where=str(backing.at))
            self.disks.append(Disk(address, size or None, file))
        elif backing is not None:
            self.disks.append(Disk(address, None, name_of(backing)))
        else:
            self.disks.append(Disk(address, item.quantity("VirtualQuantity", "byte")))

    def removable(self, item: Item) -> None:
        """Read a CD or floppy drive and the medium in it."""
        kind = MEDIA[ResourceType(item.kind or 0)]
        name = f"removables[{len(self.removables)}]"
        address = None
        if item.parent is not None or kind is MediaKind.CDROM:
            address = self._controllers.place(item, f"{name}.address", self._instances)
        else:
            item.integer("AddressOnParent")
        backing = self._backing(item)
        file = self._contents(backing) if isinstance(backing, VirtualDisk) else None
        if isinstance(backing, Reference):
            file = name_of(backing)
        connected = item.node.flag("AutomaticAllocation")
        self.removables.append(Removable(kind, address, file, connected))

    def settle(self, controllers: Sequence[Controller]) -> None:
        """Order the disks by controller and place, those without a place last, and their losses."""
        rank = {(found.bus, found.index): number for number, found in enumerate(controllers)}

        def place(number: int) -> tuple[int, int]:
            address = self.disks[number].address
            if address is None:
                return len(rank), 0
            return rank.get((address.bus, address.controller), -1), address.unit

        order = sorted(range(len(self.disks)), key=place)
        names = {f"disks[{old}].address": f"disks[{new}].address" for new, old in enumerate(order)}
        self.disks = [self.disks[old] for old in order]
        self._reading.losses[:] = [
            replace(loss, item=names.get(loss.item, loss.item)) for loss in self._reading.losses
        ]

    def _backing(self, item: Item) -> VirtualDisk | Reference | None:
        """Return what an item's HostResource stands for; host devices are left to the report."""
        resource = item.said("HostResource")
        if resource is None:
            return None
        found = backing_of(resource)
        if found is None:
            why = "names something of the host it came from"
            if is_of_package(resource):
                why = "is neither ovf:/disk/ and a diskId nor ovf:/file/ and the id of a File"
            place = f"{self._reading.place(item.node.element)} {item.label} HostResource"
            self._reading.drop(place, summary(resource), why)
            return None
        envelope = self._reading.envelope
        search = envelope.disk if found.kind == "disk" else envelope.reference
        named: VirtualDisk | Reference | None = search(found.id)
        if named is None:
            raise item.damaged(f"names a HostResource that does not exist ({summary(resource)!r})")
        self.used.add(f"{found.kind} {found.id}")
        return named

    def _contents(self, disk: VirtualDisk) -> str | None:
        """Return the name of the file a virtual disk is in; None for an empty disk."""
        if disk.parent_ref:
            raise UnsupportedInputError(
                f"disk '{summary(disk.id or '')}' holds only the difference to another"
                f" ('{summary(disk.parent_ref)}')",
                where=str(disk.at),
                hint="Export the machine without snapshots, so that each disk is whole.",
            )
        if not disk.file_ref:
            return None
        file = self._reading.envelope.reference(disk.file_ref)
        if file is None:
            raise DamagedInputError(
                f"no File has the id that disk '{summary(disk.id or '')}' refers to"
                f" ('{summary(disk.file_ref)}')",
                where=str(disk.at),
            )
        self.used.add(f"file {disk.file_ref}")
        return name_of(file)
