"""oVirt's configurations and OVAs, which are OVF in the names of most things.

``ovf.ovirt.terms`` says what is known of the dialect. A disk's ``size`` is in GiB, ``fileRef`` is
the path of its file and not the id, ``format`` calls raw disks VMDK; a virtual system says all
that a machine of oVirt's has in elements of its own, and its UUID as the id of its operating
system.
"""

from __future__ import annotations

from typing import cast

from lxml import etree

from ovf.dialect import Dialect
from ovf.machines.guests import family, is_64_bit
from ovf.namespaces import OVF_10
from ovf.outline import whole
from ovf.ovirt.items import Disks, resource_of, translate_items
from ovf.ovirt.terms import (
    OVF_OVIRT,
    OVIRT,
    SETTINGS,
    SPACES,
    is_of_standard,
    ovf,
    own,
    put,
    rasd,
    remove,
    rename,
    say,
    take,
    text_of,
)
from ovf.uuids import canonical_uuid

TITLE = "oVirt's dialect"
SOCKETS = f"{{{SPACES['rasd']}}}num_of_sockets"
FORMATS = {
    "RAW": "http://en.wikipedia.org/wiki/Byte",
    "COW": "http://www.gnome.org/~markmc/qcow-image-format.html",
}
NOTHING = frozenset(("", "00000000-0000-0000-0000-000000000000"))
"""What an element says that says nothing."""
GIB = "byte * 2^30"
LINUX, LINUX_64, RED_HAT, RED_HAT_64, OTHER = "36", "101", "79", "80", "1"
COUNTED_FROM_ONE = (4, 4)
"""The version since which a BiosType of 0 is the cluster's; before it was what is 1 now."""
UEFI, SECURE = 3, 4


def _recognise(root: etree._Element) -> str | None:
    tag = etree.QName(root)
    if tag.localname != "Envelope":
        return None
    ours = tag.namespace == OVF_OVIRT
    return TITLE if ours or next(root.iter(SOCKETS), None) is not None else None


def _translate(root: etree._Element) -> etree._Element:
    """Return an envelope of the standard's with all there was in this one."""
    envelope = etree.Element(ovf("Envelope"), nsmap=cast("dict[str, str]", SPACES))
    envelope.sourceline = root.sourceline
    envelope.text = root.text
    envelope.attrib.update({str(key): str(value) for key, value in root.attrib.items()})
    envelope.extend(list(root))
    for element in list(envelope.iter(etree.Element)):
        rename(element)
    release = str(envelope.attrib.pop(ovf("version"), ""))
    for element in list(envelope.iter(f"{{{OVIRT}}}*")):
        if not (len(element) or element.attrib) and (element.text or "").strip() in NOTHING:
            remove(element)
    files = _files(envelope)
    disks = list(envelope.iter(ovf("Disk")))
    in_paths = {path: disk for disk in reversed(disks) if (path := disk.get(ovf("fileRef")))}
    for disk in disks:
        _disk(disk, files, in_paths)
    called = {resource_of(disk): disk for disk in reversed(disks)} | in_paths
    for system in envelope.iter(ovf("VirtualSystem")):
        _system(system, called, release)
    _as_extensions(envelope)
    return envelope


def _files(envelope: etree._Element) -> dict[str, str]:
    """Return the ids of files by the paths that disks call them by; drop what is listed twice."""
    found: dict[str, str] = {}
    for references in envelope.findall(ovf("References")):
        for file in references.findall(ovf("File")):
            path, identifier = str(file.get(ovf("href"))), str(file.get(ovf("id")))
            if found.get(path) == identifier:
                remove(file)
            found.setdefault(path, identifier)
        if not len(references):
            remove(references)
    return found


def _disk(disk: etree._Element, files: dict[str, str], in_paths: Disks) -> None:
    path = str(disk.get(ovf("fileRef"), ""))
    if path in files:
        disk.set(ovf("fileRef"), files[path])
    size = str(disk.attrib.pop(ovf("size"), ""))
    if size and disk.get(ovf("capacity")) is None:
        disk.set(ovf("capacity"), size)
        disk.set(ovf("capacityAllocationUnits"), GIB)
    right = FORMATS.get(str(disk.get(own("volume-format"))))
    if right is not None:
        disk.set(ovf("format"), right)
        del disk.attrib[own("volume-format")]
    parent = str(disk.attrib.pop(ovf("parentRef"), ""))
    if parent in in_paths:
        parent = str(in_paths[parent].get(ovf("diskId"), parent))
    if parent:
        disk.set(ovf("parentRef"), parent)


def _system(system: etree._Element, disks: Disks, release: str) -> None:
    hardware = system.find(ovf("VirtualHardwareSection"))
    if system.find(ovf("Info")) is None:
        put(system, ovf("Info"), "A virtual machine", at=0)
    if description := take(system, own("Description")):
        section = put(system, ovf("AnnotationSection"), at=_after_introduction(system))
        put(section, ovf("Info"), "A description of it")
        put(section, ovf("Annotation"), description)
    if hardware is None:
        return
    translate_items(hardware, disks)
    _operating_system(system, hardware)
    _firmware(system, hardware, release)
    reserved = whole(text_of(system, own("MinAllocatedMem")))
    for item in hardware.findall(ovf("Item")):
        if text_of(item, rasd("ResourceType")) == "4" and reserved:
            put(item, rasd("Reservation"), take(system, own("MinAllocatedMem")))


def _after_introduction(system: etree._Element) -> int:
    ends = [number for number, each in enumerate(system) if each.tag in {ovf("Info"), ovf("Name")}]
    return max(ends) + 1


def _operating_system(system: etree._Element, hardware: etree._Element) -> None:
    """Give the section a number of CIM's; what oVirt has there is the UUID of the machine.

    Its OVAs have that as the id of the system.
    """
    section = system.find(ovf("OperatingSystemSection"))
    if section is None or whole(str(section.get(ovf("id"), ""))) is not None:
        if identifier := canonical_uuid(system.get(ovf("id"))):
            say(hardware, "uuid", identifier)
        return
    say(hardware, "uuid", str(section.get(ovf("id"), "")))
    section.set(ovf("id"), _number(text_of(section, ovf("Description"))))


def _number(name: str) -> str:
    if family(name) != "Linux":
        return OTHER
    if "rhel" in name.lower():
        return RED_HAT_64 if is_64_bit(name) else RED_HAT
    return LINUX_64 if is_64_bit(name) else LINUX


def _firmware(system: etree._Element, hardware: etree._Element, release: str) -> None:
    kind = whole(text_of(system, own("BiosType")))
    first, _, rest = release.partition(".")
    version = (whole(first) or 0, whole(rest.partition(".")[0]) or 0)
    if kind is None or (kind == 0 and version >= COUNTED_FROM_ONE):
        return
    kind += version < COUNTED_FROM_ONE
    take(system, own("BiosType"))
    say(hardware, "firmware", "efi" if kind >= UEFI else "bios")
    if kind == SECURE:
        say(hardware, "bootOptions.efiSecureBootEnabled", "true")


def _as_extensions(envelope: etree._Element) -> None:
    """Let what is oVirt's own be ignored, and put it where the standard lets extensions stand."""
    for system in envelope.iter(ovf("VirtualSystem")):
        theirs = [child for child in system if not is_of_standard(child)]
        for section in filter(_is_section, theirs):
            put(section, ovf("Info"), "A section of oVirt's", at=0)
        others = [child for child in theirs if not _is_section(child)]
        if others:
            settings = put(system, SETTINGS)
            settings.sourceline = others[0].sourceline
            put(settings, ovf("Info"), "What else oVirt says of the machine")
            settings.extend(others)
    for element in envelope.iter(f"{{{OVF_10}}}*"):
        children = list(element.iterchildren(etree.Element))
        for child in (each for each in children if not is_of_standard(each)):
            child.set(ovf("required"), "false")
            element.append(child)


def _is_section(child: etree._Element) -> bool:
    return str(child.tag).endswith("Section")


DIALECT = Dialect("ovirt", _recognise, _translate)
