"""Rules of what OVF 2 adds around systems: shared disks, placement, encryption.

Clauses 9.13, 9.15 and 9.16.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.judging.rule import VERSION_2, Basis, rule
from ovf.package import Package
from ovf.uris import LOOSE_URI
from rehost.report import Location
from rehost.tracked import label, summary

Found = Iterator[tuple[Location, str]]
POLICIES = frozenset(("affinity", "availability"))
BOOLEAN = frozenset(("true", "false", "0", "1"))
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC_11 = "http://www.w3.org/2009/xmlenc11#"
KEYS = frozenset((f"{{{XENC}}}EncryptedKey", f"{{{XENC_11}}}DerivedKey"))


@rule("SHD-001", clause="9.13", basis=Basis.UNCONFIRMED, versions=VERSION_2)
def shared_disks(package: Package) -> Found:
    """A SharedDiskSection has SharedDisks, each with a diskId of its own, a capacity and its File.

    The ids of Disks and SharedDisks are one set, for drives refer to both in one way. The schema
    has ovf:readOnly, true or false.

    Fix: give every disk an id of its own, and what a Disk needs.
    """
    envelope = package.envelope
    seen = {disk.id for disk in envelope.disks}
    for section in package.envelope.every("SharedDiskSection"):
        if envelope.first(section, "SharedDisk") is None:
            yield envelope.at(section), "SharedDiskSection has no SharedDisk"
        for disk in envelope.children(section, "SharedDisk"):
            at, name = envelope.at(disk), envelope.attribute(disk, "diskId")
            file, writable = (
                envelope.attribute(disk, "fileRef"),
                envelope.attribute(disk, "readOnly"),
            )
            if not name:
                yield at, "SharedDisk has no ovf:diskId"
            elif name in seen:
                yield at, f"diskId {summary(name)!r} is used again"
            if not envelope.attribute(disk, "capacity"):
                yield at, "SharedDisk has no ovf:capacity"
            if file and envelope.reference(file) is None:
                yield at, f"no File has the id {summary(file)!r}"
            if writable is not None and writable.strip() not in BOOLEAN:
                yield at, f"ovf:readOnly is neither true nor false ({summary(writable)!r})"
            seen.add(name)


@rule("PLC-001", clause="9.15", basis=Basis.UNCONFIRMED, versions=VERSION_2)
def placement_groups(package: Package) -> Found:
    """A PlacementGroupSection has an ovf:id of its own, and a policy.

    The policy is affinity, for machines that should run together, availability, for such that
    should not, or a URI for one of a vendor's.

    Fix: correct the id, or the policy.
    """
    envelope = package.envelope
    seen: set[str] = set()
    for section in package.envelope.every("PlacementGroupSection"):
        at, name = envelope.at(section), envelope.attribute(section, "id")
        policy = envelope.attribute(section, "policy") or ""
        if not name:
            yield at, "PlacementGroupSection has no ovf:id"
        elif name in seen:
            yield at, f"PlacementGroupSection {summary(name)!r} is given again"
        if policy not in POLICIES and not LOOSE_URI.fullmatch(policy):
            yield at, f"ovf:policy is unknown ({summary(policy)!r})"
        seen.add(name or "")


@rule("PLC-002", clause="9.15", basis=Basis.UNCONFIRMED, versions=VERSION_2)
def placements_have_groups(package: Package) -> Found:
    """The ovf:group of a PlacementSection is the ovf:id of a PlacementGroupSection.

    Otherwise nothing says how the machine is to be placed.

    Fix: add the group, or correct the name.
    """
    envelope = package.envelope
    groups = package.envelope.every("PlacementGroupSection")
    known = {envelope.attribute(group, "id") for group in groups}
    for section in package.envelope.every("PlacementSection"):
        name = envelope.attribute(section, "group")
        if not name:
            yield envelope.at(section), "PlacementSection has no ovf:group"
        elif name not in known:
            yield envelope.at(section), f"no PlacementGroupSection has the id {summary(name)!r}"


@rule("ENC-001", clause="9.16", basis=Basis.UNCONFIRMED, versions=VERSION_2)
def encryption_keys(package: Package) -> Found:
    """An EncryptionSection holds keys, and what they refer to is there.

    Keys are xenc:EncryptedKey and xenc11:DerivedKey; a reference ``#id`` in them is the Id of an
    element of the descriptor.

    Fix: correct the reference, or add what it names.
    """
    envelope = package.envelope
    sections = list(package.envelope.every("EncryptionSection"))
    ids = {each.get("Id") for each in envelope.root.iter(etree.Element)} if sections else set()
    for section in sections:
        keys = [key for key in envelope.children(section) if key.tag in KEYS]
        if not keys:
            yield envelope.at(section), "EncryptionSection has no EncryptedKey and no DerivedKey"
        for child in envelope.children(section):
            if child.tag not in KEYS and etree.QName(child).namespace != envelope.namespace:
                yield envelope.at(child), f"EncryptionSection holds {summary(label(child))}"
        for reference in section.iter(f"{{{XENC}}}DataReference", f"{{{XENC}}}KeyReference"):
            uri = str(reference.get("URI") or "")
            if not uri or (uri.startswith("#") and uri[1:] not in ids):
                yield (
                    envelope.at(reference),
                    f"refers to nothing in the descriptor ({summary(uri)!r})",
                )
