"""Rules of where sections stand and how many: clause 9, table 5, and the sections of OVF 2.x."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lxml import etree

from ovf.judging.rule import rule
from ovf.package import Package
from rehost.report import Location
from rehost.tracked import local_name

Found = Iterator[tuple[Location, str]]
SYSTEM, COLLECTION = "VirtualSystem", "VirtualSystemCollection"
HOLDERS = ("Envelope", SYSTEM, COLLECTION)
PLACES = {
    "DiskSection": ("Envelope",),
    "NetworkSection": ("Envelope",),
    "DeploymentOptionSection": ("Envelope",),
    "SharedDiskSection": ("Envelope",),
    "PlacementGroupSection": ("Envelope",),
    "EncryptionSection": ("Envelope",),
    "ResourceAllocationSection": (COLLECTION,),
    "StartupSection": (COLLECTION,),
    "ScaleOutSection": (COLLECTION,),
    "OperatingSystemSection": (SYSTEM,),
    "InstallSection": (SYSTEM,),
    "EnvironmentFilesSection": (SYSTEM,),
    "AnnotationSection": (SYSTEM, COLLECTION),
    "ProductSection": (SYSTEM, COLLECTION),
    "EulaSection": (SYSTEM, COLLECTION),
    "PlacementSection": (SYSTEM, COLLECTION),
    "BootDeviceSection": (SYSTEM, COLLECTION),
}
"""Where sections may stand; VHS-002 says it of the VirtualHardwareSection."""
SINGLE = frozenset(
    (
        "DiskSection",
        "NetworkSection",
        "DeploymentOptionSection",
        "SharedDiskSection",
        "EncryptionSection",
        "ResourceAllocationSection",
        "AnnotationSection",
        "StartupSection",
        "OperatingSystemSection",
        "InstallSection",
    )
)
"""Sections of which one is enough for each place."""


def _sections(package: Package) -> Iterator[tuple[etree._Element, str, str]]:
    """Yield each section where a section can stand: itself, its name and its parent's."""
    envelope = package.envelope
    for name in HOLDERS:
        for holder in envelope.every(name):
            for section in holder.iterchildren(f"{{{envelope.namespace}}}*"):
                yield section, local_name(str(section.tag)), name


@rule("SEC-001", clause="9")
def sections_in_their_places(package: Package) -> Found:
    """A section stands in the envelope, a system or a collection, as the standard says of it.

    The schema lets any section stand in any of them, but importers look for each in its place.

    Fix: move the section there.
    """
    for section, name, parent in _sections(package):
        places = PLACES.get(name, (parent,))
        if parent not in places:
            wanted = " or ".join(places)
            message = f"{name} stands in {parent}, not in {wanted}"
            yield package.envelope.at(section), message


@rule("SEC-002", clause="9")
def single_sections(package: Package) -> Found:
    """Of sections that describe one thing there is one at most in each place.

    Importers take the first or the last and pass over the others.

    Fix: merge them.
    """
    seen: Counter[tuple[etree._Element | None, str]] = Counter()
    for section, name, parent in _sections(package):
        place = (section.getparent(), name)
        seen[place] += 1
        if name in SINGLE and seen[place] > 1:
            yield package.envelope.at(section), f"{parent} has another {name}"


@rule("SEC-003", clause="7.3")
def sections_by_name(package: Package) -> Found:
    """A section or content is called by its own name, not Section or Content with an xsi:type.

    Drafts of the standard wrote it that way, and few importers still read it.

    Fix: write <DiskSection> instead of <Section xsi:type="ovf:DiskSection_Type">.
    """
    envelope = package.envelope
    for name in ("Section", "Content"):
        for element in envelope.every(name):
            yield envelope.at(element), f"{name} is no name for what it is"
