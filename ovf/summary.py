"""What a package holds, in a few words: the document that ``rehost ovf show`` prints.

Spec: DSP0243 clauses 7 to 9. Values are shown as they are written where they cannot be understood,
so that a broken package can be looked at, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from ovf import cim, units
from ovf.cim import ResourceType
from ovf.envelope import CONTENT, Envelope, Reference, VirtualDisk
from ovf.judging.effective import Effective, effective
from ovf.outline import whole
from ovf.package import Package, is_remote
from rehost.errors import InteropError
from rehost.tracked import local_name

PRODUCT_WORDS = ("Product", "Vendor", "Version", "FullVersion", "ProductUrl", "VendorUrl", "AppUrl")


@dataclass(frozen=True, slots=True)
class FileSummary:
    """A file of References; ``stored`` is the bytes it really has, None where it is not there."""

    id: str | None
    href: str | None
    size: str | None
    stored: int | None
    compression: str


@dataclass(frozen=True, slots=True)
class DiskSummary:
    """A virtual disk; ``capacity`` in bytes, None where that cannot be understood."""

    id: str | None
    file: str | None
    parent: str | None
    capacity: int | None
    format: str | None


@dataclass(frozen=True, slots=True)
class NamedSummary:
    """A network or a configuration: its name or id, and what is said of it."""

    name: str | None
    label: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class DeviceSummary:
    """A device in one configuration, its values as they are written."""

    instance: str | None
    kind: str
    name: str | None
    model: str | None
    parent: str | None
    address: str | None
    backing: str | None
    network: str | None


@dataclass(frozen=True, slots=True)
class HardwareSummary:
    """What a configuration makes of a virtual system; memory in bytes."""

    configuration: str | None
    processors: int | None
    memory: int | None
    disks: int
    nics: int
    serial_ports: int
    devices: tuple[DeviceSummary, ...]


@dataclass(frozen=True, slots=True)
class PropertySummary:
    """A property; the value of a password is never shown."""

    key: str
    type: str | None
    value: str | None
    label: str | None
    description: str | None
    qualifiers: str | None
    user_configurable: bool
    password: bool


@dataclass(frozen=True, slots=True)
class ProductSummary:
    """A product section; ``words`` are its elements by their names."""

    id: str | None
    words: dict[str, str]
    properties: tuple[PropertySummary, ...]


@dataclass(frozen=True, slots=True)
class SystemSummary:
    """A virtual system or a collection; ``inside`` is the id of the collection around it.

    Of several ``hardware_sections``, of which there is that number, the first is summed up.
    """

    id: str | None
    name: str | None
    collection: bool
    inside: str | None
    annotation: str | None
    operating_system: str | None
    hardware_sections: int
    hardware_types: tuple[str, ...]
    transport: str | None
    products: tuple[ProductSummary, ...]
    licences: tuple[str, ...]
    hardware: tuple[HardwareSummary, ...]


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """A whole package; ``version`` is 1 or 2, ``dialect`` what it was written in if not that."""

    source: str
    descriptor: str
    version: str
    dialect: str | None
    manifest: str | None
    certificate: str | None
    files: tuple[FileSummary, ...]
    disks: tuple[DiskSummary, ...]
    networks: tuple[NamedSummary, ...]
    configurations: tuple[NamedSummary, ...]
    default_configuration: str | None
    systems: tuple[SystemSummary, ...]


def summary_of(package: Package) -> PackageSummary:
    """Look through a package."""
    envelope = package.envelope
    return PackageSummary(
        source=str(package.path),
        descriptor=package.descriptor.name,
        version=envelope.version,
        dialect=envelope.dialect,
        manifest=package.manifest_name,
        certificate=package.certificate_name,
        files=tuple(_file(package, each) for each in envelope.references),
        disks=tuple(_disk(envelope, each) for each in envelope.disks),
        networks=tuple(_named(envelope, "NetworkSection", "Network", "name")),
        configurations=tuple(_named(envelope, "DeploymentOptionSection", "Configuration", "id")),
        default_configuration=envelope.default_configuration,
        systems=tuple(_contents(envelope, envelope.root, None)),
    )


def _file(package: Package, reference: Reference) -> FileSummary:
    stored = None
    if not is_remote(reference):
        try:
            stored = package.stored_file(reference).size
        except InteropError:
            stored = None
    return FileSummary(
        reference.id, reference.href, reference.size, stored, reference.compression or "identity"
    )


def _disk(envelope: Envelope, disk: VirtualDisk) -> DiskSummary:
    capacity = envelope.legible_capacity(disk)
    return DiskSummary(disk.id, disk.file_ref, disk.parent_ref, capacity, disk.format)


def _named(envelope: Envelope, section: str, name: str, key: str) -> Iterator[NamedSummary]:
    for parent in envelope.sections(section):
        for each in envelope.children(parent, name):
            label, said = (envelope.first(each, word) for word in ("Label", "Description"))
            yield NamedSummary(
                envelope.attribute(each, key), envelope.text(label), envelope.text(said)
            )


def _contents(
    envelope: Envelope, parent: etree._Element, inside: str | None
) -> Iterator[SystemSummary]:
    for each in envelope.children(parent, *CONTENT):
        yield _system(envelope, each, inside)
        if local_name(str(each.tag)) == "VirtualSystemCollection":
            yield from _contents(envelope, each, envelope.attribute(each, "id"))


def _system(envelope: Envelope, element: etree._Element, inside: str | None) -> SystemSummary:
    hardware = envelope.first(element, "VirtualHardwareSection")
    kind = None if hardware is None else next(hardware.iter("{*}VirtualSystemType"), None)
    note = envelope.first(element, "AnnotationSection")
    return SystemSummary(
        id=envelope.attribute(element, "id"),
        name=envelope.text(envelope.first(element, "Name")),
        collection=local_name(str(element.tag)) == "VirtualSystemCollection",
        inside=inside,
        annotation=None if note is None else envelope.text(envelope.first(note, "Annotation")),
        operating_system=_operating_system(envelope, element),
        hardware_sections=len(list(envelope.children(element, "VirtualHardwareSection"))),
        hardware_types=tuple((kind.text or "").split()) if kind is not None else (),
        transport=None if hardware is None else envelope.attribute(hardware, "transport"),
        products=tuple(_products(envelope, element)),
        licences=tuple(
            envelope.text(envelope.first(section, "License")) or ""
            for section in envelope.children(element, "EulaSection")
        ),
        hardware=() if hardware is None else tuple(_hardware(envelope, hardware)),
    )


def _operating_system(envelope: Envelope, element: etree._Element) -> str | None:
    section = envelope.first(element, "OperatingSystemSection")
    if section is None:
        return None
    number = envelope.attribute(section, "id")
    known = cim.operating_system(whole(number))
    return envelope.text(envelope.first(section, "Description")) or known or number


def _products(envelope: Envelope, element: etree._Element) -> Iterator[ProductSummary]:
    for section in envelope.children(element, "ProductSection"):
        around = (envelope.attribute(section, "class"), envelope.attribute(section, "instance"))
        words = ((name, envelope.text(envelope.first(section, name))) for name in PRODUCT_WORDS)
        yield ProductSummary(
            id=".".join(part for part in around if part) or None,
            words={name: text for name, text in words if text},
            properties=tuple(
                _property(envelope, entry, key) for key, entry in envelope.properties_in(section)
            ),
        )


def _property(envelope: Envelope, entry: etree._Element, key: str) -> PropertySummary:
    secret = envelope.flag(entry, "password")
    return PropertySummary(
        key=key,
        type=envelope.attribute(entry, "type"),
        value=None if secret else envelope.value(entry),
        label=envelope.text(envelope.first(entry, "Label")),
        description=envelope.text(envelope.first(entry, "Description")),
        qualifiers=envelope.attribute(entry, "qualifiers"),
        user_configurable=envelope.flag(entry, "userConfigurable"),
        password=secret,
    )


def _hardware(envelope: Envelope, section: etree._Element) -> Iterator[HardwareSummary]:
    """Yield what each configuration makes of a section, if items of it name any; else the one."""
    alternatives = envelope.once(_alternatives).get(section, ())
    named = [(each, name) for each in alternatives if (name := _configuration(each)) is not None]
    alone: list[tuple[Effective, str | None]] = [(each, None) for each in alternatives[:1]]
    for each, configuration in named or alone:
        devices = [device.said for device in each.devices]
        yield HardwareSummary(
            configuration,
            _number(devices, ResourceType.PROCESSOR),
            _memory(devices),
            len(_of(devices, ResourceType.DISK)),
            len(_of(devices, ResourceType.ETHERNET)),
            len(_of(devices, ResourceType.SERIAL)),
            tuple(_device(said) for said in devices),
        )


def _alternatives(envelope: Envelope) -> dict[etree._Element, tuple[Effective, ...]]:
    return {each[0].section.element: each for each in effective(envelope)}


def _configuration(each: Effective) -> str | None:
    """Return the configuration that some item of a section is of."""
    chosen = each.configurations[:1]
    is_said = any(item.configurations.intersection(chosen) for item in each.section.items)
    return chosen[0] if is_said else None


def _device(said: dict[str, str]) -> DeviceSummary:
    return DeviceSummary(
        instance=said.get("InstanceID"),
        kind=cim.device_name(whole(said.get("ResourceType"))),
        name=said.get("ElementName") or said.get("Caption"),
        model=said.get("ResourceSubType"),
        parent=said.get("Parent"),
        address=said.get("AddressOnParent") or said.get("Address"),
        backing=said.get("HostResource"),
        network=said.get("Connection"),
    )


def _of(devices: list[dict[str, str]], kind: ResourceType) -> list[dict[str, str]]:
    return [said for said in devices if said.get("ResourceType") == str(int(kind))]


def _number(devices: list[dict[str, str]], kind: ResourceType) -> int | None:
    found = _of(devices, kind)
    return whole(found[0].get("VirtualQuantity")) if found else None


def _memory(devices: list[dict[str, str]]) -> int | None:
    found, quantity = _of(devices, ResourceType.MEMORY), _number(devices, ResourceType.MEMORY)
    if quantity is None:
        return None
    try:
        return quantity * units.multiplier(found[0].get("AllocationUnits", "byte * 2^20"))
    except InteropError:
        return None
