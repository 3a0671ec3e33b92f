"""Rules of how the environment reaches the guest: clause 11.2."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.cim import ResourceType
from ovf.judging.rule import rule
from ovf.outline import WrittenItem, hardware_sections
from ovf.package import Package
from rehost.report import Location

DRIVES = frozenset(str(kind.value) for kind in (ResourceType.CD, ResourceType.DVD))
Found = Iterator[tuple[Location, str]]


@rule("OEN-008", clause="11.2")
def a_drive_for_the_environment(package: Package) -> Found:
    """A VirtualHardwareSection with the transport iso has a CD-ROM drive without a medium.

    The environment comes to the guest on an image in that drive.

    Fix: add a drive, or take iso out of ovf:transport.
    """
    envelope = package.envelope
    for section in hardware_sections(envelope):
        if "iso" not in (envelope.attribute(section.element, "transport") or "").split():
            continue
        drives = [item for item in section.items if item.said.get("ResourceType") in DRIVES]
        if not any(map(_is_free, drives)):
            lack = "every CD-ROM drive has a medium" if drives else "there is no CD-ROM drive"
            yield section.at, f"transport is iso, but {lack}"


def _is_free(drive: WrittenItem) -> bool:
    """Say whether a drive is disconnected, or connected to nothing in the package."""
    connected = drive.said.get("AutomaticAllocation", "false").lower() not in {"false", "0"}
    return not connected or not drive.said.get("HostResource", "").startswith("ovf:")
