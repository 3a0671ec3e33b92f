"""VMware's checks of a descriptor's structure: what it does not know and must not pass over.

Spec: DSP0243 clauses 7.3 (extensions: required unless they say otherwise; only direct children of
a section count) and 9, table 5 (where sections stand). The words are VMware's.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.envelope import Envelope
from ovf.importers import reading
from ovf.judging.profile import Hit, Sure, Target, check
from ovf.namespaces import CIM, OVF_20, VMW
from ovf.package import Package
from rehost.tracked import local_name, summary

DESCRIBING = ("AnnotationSection", "ProductSection", "EulaSection")
SECTIONS = {
    "Envelope": frozenset(("DiskSection", "NetworkSection", "DeploymentOptionSection")),
    "VirtualSystemCollection": frozenset(
        (*DESCRIBING, "ResourceAllocationSection", "StartupSection")
    ),
    "VirtualSystem": frozenset(
        (*DESCRIBING, "OperatingSystemSection", "InstallSection", "VirtualHardwareSection")
    ),
}
ITS_OWN = frozenset((VMW, OVF_20))
"""Whose sections it writes itself: its own, and single ones of OVF 2 inside of OVF 1."""
OF_DRAFTS = frozenset(("EulaSection",))
"""What the drafts let stand anywhere."""
PARTS = {
    "DiskSection": ("Disk",),
    "NetworkSection": ("Network",),
    "DeploymentOptionSection": ("Configuration",),
    "ResourceAllocationSection": ("Item",),
    "StartupSection": ("Item",),
    "AnnotationSection": ("Annotation",),
    "EulaSection": ("License",),
    "OperatingSystemSection": ("Description", "OSType"),
    "InstallSection": (),
    "VirtualHardwareSection": ("System", "Item"),
    "ProductSection": (
        *("Product", "Vendor", "Version", "FullVersion", "ProductUrl", "VendorUrl", "AppUrl"),
        *("Icon", "Category", "Property"),
    ),
}
SETTINGS = frozenset(
    (
        *("Address", "AddressOnParent", "AllocationUnits", "AutomaticAllocation", "Caption"),
        *("AutomaticDeallocation", "ChangeableType", "ComponentSetting", "ConfigurationName"),
        *("Connection", "ConsumerVisibility", "Description", "ElementName", "Generation"),
        *("HostResource", "InstanceID", "InstanceId", "BusNumber", "Limit", "MappingBehavior"),
        *("OtherResourceType", "Parent", "PoolID", "Reservation", "ResourceSubType"),
        *("ResourceType", "SoID", "SoOrgID", "VirtualQuantity", "VirtualQuantityUnits", "Weight"),
        *("DesiredAllocationUnits", "DesiredReservation", "DesiredVirtualQuantity"),
    )
)
"""What CIM's schemas have an item say."""


def _placed(envelope: Envelope) -> Iterator[tuple[str, etree._Element]]:
    """Yield the envelope, and every system and collection, with what each holds."""
    for holder in envelope.root.iter(*(f"{{{envelope.namespace}}}{name}" for name in SECTIONS)):
        for child in holder.iterchildren(etree.Element):
            yield local_name(str(holder.tag)), child


def _sections(envelope: Envelope) -> Iterator[etree._Element]:
    """Yield the standard's sections where they may stand."""
    for holder, child in _placed(envelope):
        tag = etree.QName(child)
        if tag.namespace == envelope.namespace and tag.localname in SECTIONS[holder]:
            yield child


@check(
    "VMW-020",
    quote="Unsupported element '{name}'.",
    source="github.com/BlackArch/blackarch/issues/1937, macos-virtualbox #300, xenadmin #202",
    sure=Sure.ISSUE,
)
def unsupported_element(package: Package, target: Target) -> Iterator[Hit]:
    """What stands directly in a section is known to VMware, or is marked as not required.

    An extension is required unless it says ovf:required="false", and VMware refuses what it must
    not pass over. It knows no StorageItem and no EthernetPortItem of OVF 2.

    Fix: write ovf:required="false" on the element, or remove it; export as OVF 1.0.
    """
    envelope = package.envelope
    for element in unsupported_elements(envelope):
        name = summary(local_name(str(element.tag)))
        yield Hit(envelope.at(element), f"VMware knows no {name} here", {"name": name})


def unsupported_elements(envelope: Envelope) -> Iterator[etree._Element]:
    """Yield what is in sections and items that VMware neither knows nor may pass over."""
    for section in _sections(envelope):
        known = PARTS[local_name(str(section.tag))]
        for child in section.iterchildren(etree.Element):
            found = [] if _is_known(child, known, envelope) else [child]
            if local_name(str(child.tag)) == "Item" and not found:
                found = [each for each in child.iterchildren(etree.Element) if not _is_said(each)]
            yield from (each for each in found if not reading.optional(each, envelope))


def _is_known(element: etree._Element, known: tuple[str, ...], envelope: Envelope) -> bool:
    tag = etree.QName(element)
    if tag.namespace == envelope.namespace:
        return tag.localname == "Info" or tag.localname in known
    return tag.namespace == VMW


def _is_said(element: etree._Element) -> bool:
    tag = etree.QName(element)
    if (tag.namespace or "").startswith(CIM):
        return tag.localname in SETTINGS
    return tag.namespace == VMW


@check(
    "VMW-021",
    quote="Unsupported section '{name}' ({info}).",
    source="github.com/xcp-ng/xenadmin/issues/202; vSphere Web Services API, OvfUnsupportedSection",
    sure=Sure.ISSUE,
)
def unsupported_section(package: Package, target: Target) -> Iterator[Hit]:
    """A section stands where VMware knows it, or is marked as not required.

    A StartupSection of a single machine, a NetworkSection inside of a system, or another vendor's
    section make it refuse the package.

    Fix: move the section to where the standard has it, or write ovf:required="false" on it.
    """
    envelope = package.envelope
    for holder, child in unsupported_sections(envelope):
        name = summary(local_name(str(child.tag)))
        info = summary(envelope.text(envelope.first(child, "Info")) or "")
        message = f"VMware knows no {name} in {holder}"
        yield Hit(envelope.at(child), message, {"name": name, "info": info})


def unsupported_sections(envelope: Envelope) -> Iterator[tuple[str, etree._Element]]:
    """Yield sections that VMware neither knows nor may pass over where they are, with that."""
    for holder, child in _placed(envelope):
        tag = etree.QName(child)
        name = tag.localname
        if tag.namespace in ITS_OWN or reading.optional(child, envelope) or name == "Strings":
            continue
        known = SECTIONS[holder] | (OF_DRAFTS if envelope.dialect else frozenset())
        foreign = tag.namespace != envelope.namespace
        if foreign or (name.endswith("Section") and name not in known):
            yield holder, child


@check(
    "VMW-022",
    quote="Missing child element '{name}'.",
    source="vSphere Web Services API, fault OvfMissingElement; the words in"
    " github.com/dirkhh/adsb-feeder-image/issues/67, librenms/packer-builds #31",
    sure=Sure.DOCUMENTATION,
)
def missing_child(package: Package, target: Target) -> Iterator[Hit]:
    """Every system, collection and section begins with Info, and every system has hardware.

    The schema demands it, and VMware's importers refuse what lacks it.

    Fix: add <Info> as the first child, or the VirtualHardwareSection.
    """
    envelope = package.envelope
    systems = (f"{{{envelope.namespace}}}{name}" for name in SECTIONS if name != "Envelope")
    for element in (*envelope.root.iter(*systems), *_sections(envelope)):
        if envelope.first(element, "Info") is None:
            name = local_name(str(element.tag))
            yield Hit(envelope.at(element), f"{name} has no Info", {"name": "Info"})
    for system in envelope.systems:
        if envelope.first(system, "VirtualHardwareSection") is None:
            said = {"name": "VirtualHardwareSection"}
            yield Hit(envelope.at(system), "VirtualSystem has no VirtualHardwareSection", said)


@check(
    "VMW-023",
    source="refused by ovftool among VMware's own test descriptors",
    sure=Sure.UNCONFIRMED,
)
def unknown_draft(package: Package, target: Target) -> Iterator[Hit]:
    """A descriptor in the namespace of OVF 0.9 says that it is of version 0.9.

    There was no other version in that namespace, and the attribute was required.

    Fix: write ovf:version="0.9", or export the machine as OVF 1.0.
    """
    envelope = package.envelope
    version = envelope.attribute(envelope.root, "version")
    if envelope.dialect == "OVF 0.9" and (version or "").strip() != "0.9":
        yield Hit(
            envelope.at(envelope.root), f"ovf:version is not 0.9 ({summary(version or '')!r})"
        )


@check(
    "VMW-024",
    quote="Unsupported element 'StorageItem'.",
    source="github.com/myspaghetti/macos-virtualbox/issues/300, BlackArch #1937",
    sure=Sure.ISSUE,
)
def second_version(package: Package, target: Target) -> Iterator[Hit]:
    """The descriptor is OVF 1.x.

    VMware reads no OVF 2: it stops at the first element of it that it does not know.

    Fix: export the machine as OVF 1.0.
    """
    envelope = package.envelope
    if envelope.version == "2":
        yield Hit(envelope.at(envelope.root), "descriptor is OVF 2.x")
