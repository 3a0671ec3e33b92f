"""Fixes of what VirtualBox does not take."""

from __future__ import annotations

from ovf.cim import ResourceType
from ovf.edit.disks import listed_disks
from ovf.edit.draft import Draft
from ovf.importers import reading
from ovf.importers.virtualbox.hardware import KNOWN
from ovf.judging.profile import Target
from ovf.mending import rephrase
from ovf.mending.fix import Done, Places, fix_for
from ovf.outline import items
from rehost.tracked import summary

STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

memory_unit = fix_for("VBX-001")(rephrase.memory_in_mebibytes)
disk_of_drive = fix_for("VBX-005")(rephrase.drives_of_disks)
chunks_joined = fix_for("VBX-012")(rephrase.plain_files)
format_of_disk = fix_for("VBX-015")(rephrase.formats_of_the_files)
bytes_of_empty_disk = fix_for("VBX-016")(rephrase.capacities_in_bytes)


@fix_for("VBX-002")
def devices_known_or_passed_over(draft: Draft, _: Target, places: Places) -> Done:
    """Call DVD drives CD drives; mark what else VirtualBox does not have as not required."""
    for item in items(draft.envelope):
        if item.at in places and item.kind == ResourceType.DVD:
            kind = int(ResourceType.CD)
            element = rephrase.said(draft, item, "ResourceType", str(kind))
            yield element, f"{item.label} ResourceType: {item.kind} -> {kind}"
    others = reading.required_besides(KNOWN | {ResourceType.DVD}, draft.envelope)
    yield from rephrase.devices_passed_over(draft, others)


@fix_for("VBX-007")
def formats_of_empty_disks(draft: Draft, _: Target, places: Places) -> Done:
    """State the usual format of a disk that has no file, and so is in none yet."""
    for element, disk in listed_disks(draft):
        if disk.at in places and not disk.format and not disk.file_ref:
            draft.set(element, "format", STREAM)
            yield element, f"Disk '{summary(disk.id or '')}' format: none -> {STREAM}"
