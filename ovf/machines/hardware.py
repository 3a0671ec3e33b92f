"""From a package to neutral machines: one for every VirtualSystem in it.

Spec: DSP0243 clauses 7.2 (content), 8 (virtual hardware), 9.4 to 9.6 and 9.9 (annotation, product,
licence, operating system). What a machine cannot express is reported with file and line: whole
sections, single properties, single items, never nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from ovf import cim
from ovf.cim import ResourceType
from ovf.machines import subtypes, vendors
from ovf.machines.controllers import Controllers
from ovf.machines.devices import Devices
from ovf.machines.drives import MEDIA, Drives
from ovf.machines.items import Item, Reading, items_of, rest_of
from ovf.machines.sections import around, sections_of
from ovf.namespaces import CIM, VBOX, VMW
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.machine import GuestOs, Machine, Origin, Reservation, Topology
from rehost.report import Loss
from rehost.tracked import Tracked

NAMESPACES = {"vmw": VMW, "vbox": VBOX}
CONTROLLERS = frozenset(
    (ResourceType.IDE, ResourceType.SCSI, ResourceType.USB, ResourceType.OTHER_STORAGE)
)
MOST_PROCESSORS = 65_535
MEMORY_UNIT = 1 << 20
FREQUENCY_UNIT = 10**6


def read_machines(package: Package) -> list[tuple[Machine, list[Loss]]]:
    """Return every machine a package describes, each with what was lost in reading it."""
    envelope = package.envelope
    if not envelope.systems:
        raise DamagedInputError("describes no virtual system", where=envelope.label)
    read = [_System(package, element).machine() for element in envelope.systems]
    used = frozenset[str]().union(*(names for _, _, names in read))
    reading = Reading(package)
    if envelope.dialect is not None:
        reading.assume(
            f"{envelope.file} dialect", "OVF 1.x", f"it is written in {envelope.dialect}"
        )
    outside = around(reading, used)
    return [(machine, losses + outside) for machine, losses, _ in read]


@dataclass(frozen=True, slots=True)
class _Processors:
    count: int | None = None
    topology: Topology | None = None
    reservation: Reservation | None = None


class _System:
    """Reads one VirtualSystem."""

    def __init__(self, package: Package, element: etree._Element) -> None:
        self._reading = Reading(package)
        envelope = package.envelope
        own = (envelope.namespace, CIM)
        self._node = Tracked(
            element, envelope.file, path=envelope.label, namespaces=NAMESPACES, own=own
        )
        self._hardware = self._section("VirtualHardwareSection")

    def machine(self) -> tuple[Machine, list[Loss], set[str]]:
        """Return the machine, its losses, and the files and disks it uses."""
        reading, node = self._reading, self._node
        if self._hardware is None:
            raise node.damaged(f"VirtualSystem '{self._name()}' has no VirtualHardwareSection")
        items = items_of(self._hardware, reading)
        controllers = Controllers(items, reading)
        drives, devices = Drives(items, controllers, reading), Devices(reading)
        for item in items:
            self._device(item, drives, devices)
        drives.settle(controllers.found)
        processors, (memory, memory_reservation) = self._processors(items), self._memory(items)
        ours, theirs = vendors.vmware(self._hardware), vendors.virtualbox(node, reading)
        machine = Machine(
            name=self._name(),
            origin=self._origin(),
            uuid=theirs.uuid or ours.uuid,
            description=self._annotation(),
            memory=memory,
            vcpus=processors.count,
            topology=processors.topology,
            cpu=ours.cpu,
            firmware=ours.firmware or theirs.firmware,
            secure_boot=ours.secure_boot,
            tpm=devices.tpm or theirs.tpm,
            clock=theirs.clock,
            guest_os=self._guest_os(theirs.guest),
            boot_order=vendors.boot_order(node) or theirs.boot_order,
            controllers=tuple(controllers.found),
            disks=tuple(drives.disks),
            removables=tuple(drives.removables),
            nics=vendors.with_macs(devices.nics, theirs),
            displays=tuple(devices.displays),
            serials=tuple(devices.serials),
            sounds=tuple(devices.sounds),
            memory_reservation=memory_reservation,
            cpu_reservation=processors.reservation,
        )
        sections_of(node, reading)
        rest_of(node, reading)
        return machine, reading.losses, drives.used

    def _device(self, item: Item, drives: Drives, devices: Devices) -> None:
        match item.kind:
            case ResourceType.PROCESSOR | ResourceType.MEMORY:
                return
            case ResourceType.DISK:
                drives.disk(item)
            case kind if kind in MEDIA:
                drives.removable(item)
            case ResourceType.ETHERNET:
                devices.nic(item)
            case ResourceType.SERIAL:
                devices.serial(item)
            case ResourceType.GRAPHICS:
                devices.display(item)
            case ResourceType.SOUND:
                devices.sound(item)
            case kind if kind in CONTROLLERS and self._is_controller(item):
                return
            case _ if not devices.other(item):
                self._drop(item, "the neutral machine has no such device")

    def _is_controller(self, item: Item) -> bool:
        words = item.words("ResourceSubType")
        item.said("Address")
        return (
            item.kind != ResourceType.OTHER_STORAGE
            or not words
            or any(word in subtypes.STORAGE_SUBTYPES for word in words)
        )

    def _drop(self, item: Item, why: str) -> None:
        place = self._reading.place(item.node.element)
        kind = cim.resource_name(item.kind)
        self._reading.drop(f"{place} {item.label} ({kind})", item.said("ResourceSubType"), why)
        for node in item.nodes:
            node.ignore("*")

    def _only(self, items: list[Item], kind: ResourceType) -> Item | None:
        """Return the first item of a type; a machine has one processor and one memory item."""
        found = [item for item in items if item.kind == kind]
        for item in found[1:]:
            self._drop(item, "an item before it said it already")
        return found[0] if found else None

    def _processors(self, items: list[Item]) -> _Processors:
        item = self._only(items, ResourceType.PROCESSOR)
        count = None if item is None else item.integer("VirtualQuantity")
        if item is None or count is None:
            return _Processors()
        if not 0 < count <= MOST_PROCESSORS:
            raise item.damaged(f"has an impossible number of processors ({count})")
        topology = self._topology(item, count)
        return _Processors(count, topology, self._reservation(item, "hertz", FREQUENCY_UNIT))

    def _topology(self, item: Item, count: int) -> Topology | None:
        """Read VMware's cores per socket; zero leaves the choice to the host."""
        cores = item.integer("vmw:CoresPerSocket")
        for node in item.nodes:
            node.ignore("vmw:CoresPerSocket")
        if not cores:
            return None
        if cores < 0 or count % cores:
            place = f"{self._reading.place(item.node.element)} vmw:CoresPerSocket"
            self._reading.drop(place, str(cores), f"{count} processors cannot be divided so")
            return None
        return Topology(count // cores, cores)

    def _memory(self, items: list[Item]) -> tuple[int | None, Reservation | None]:
        item = self._only(items, ResourceType.MEMORY)
        if item is None:
            return None, None
        size = item.quantity("VirtualQuantity", "byte")
        if size == 0:
            raise item.damaged("has no memory (0)")
        if size is not None and item.said("AllocationUnits") is None:
            size *= MEMORY_UNIT
            why = "the descriptor gives no AllocationUnits; MiB is what most writers mean"
            self._reading.assume("memory", str(size), why)
        return size, self._reservation(item, "byte", MEMORY_UNIT)

    def _reservation(self, item: Item, base: str, unit: int) -> Reservation | None:
        """Read a claim on the host; zero reserves nothing and is the same as silence."""
        factor = 1 if item.said("AllocationUnits") else unit
        reserved = (item.quantity("Reservation", base) or 0) * factor
        limit = item.quantity("Limit", base) if item.said("Limit") else None
        weight = item.integer("Weight")
        if not reserved and limit is None and weight is None:
            return None
        return Reservation(reserved or None, limit * factor if limit else None, weight)

    def _section(self, name: str) -> Tracked | None:
        sections = self._node.children(name)
        for other in sections[1:]:
            place = self._reading.place(other.element)
            self._reading.drop(f"{place} {name}", None, "an alternative to the first of them")
            other.take(other.element)
        return sections[0] if sections else None

    def _name(self) -> str:
        envelope = self._reading.envelope
        identifier = envelope.attribute(self._node.element, "id")
        given = envelope.text(envelope.first(self._node.element, "Name"))
        self._node.ignore("Name", "@id")
        system = self._hardware.said("System/VirtualSystemIdentifier") if self._hardware else None
        name = given or system or identifier
        if not name or not name.strip():
            name = envelope.file.rpartition("/")[2].rpartition(".")[0]
            self._reading.assume("name", name, "the virtual system has no name")
        return " ".join(name.split())

    def _origin(self) -> Origin:
        kind = next(self._node.element.iter("{*}VirtualSystemType"), None)
        return Origin(
            format="ovf",
            file=str(self._reading.package.path),
            producer=vendors.producer(None if kind is None else (kind.text or "").strip()),
        )

    def _annotation(self) -> str | None:
        envelope = self._reading.envelope
        section = self._section("AnnotationSection")
        if section is None:
            return None
        section.take(section.element)
        return envelope.text(envelope.first(section.element, "Annotation"))

    def _guest_os(self, virtualbox: str | None) -> GuestOs | None:
        section = self._section("OperatingSystemSection")
        if section is None:
            return GuestOs(virtualbox=virtualbox) if virtualbox else None
        envelope = self._reading.envelope
        number = section.integer("@id")
        description = envelope.text(envelope.first(section.element, "Description"))
        section.ignore("Info", "Description", "vbox:OSType/@required", "@required")
        vmware = section.said("vmw:osType") or section.said("@vmw:osType")
        return GuestOs(
            name=description or cim.operating_system(number),
            cim=number,
            vmware=vmware.lstrip("*") if vmware else None,
            virtualbox=section.said("vbox:OSType") or virtualbox,
            version=section.said("@version"),
        )
