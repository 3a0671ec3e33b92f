"""Fixes of what virt-v2v does not take, and oVirt and Forklift, which convert with it."""

from __future__ import annotations

from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware
from ovf.importers import reading
from ovf.importers.virt_v2v import DIGITS
from ovf.judging.profile import Target
from ovf.mending import rephrase
from ovf.mending.fix import Done, Places, fix_for
from ovf.namespaces import VMW
from ovf.outline import ItemSection, hardware_sections
from rehost.tracked import local_name, summary

PROCESSORS = "Number of Virtual CPUs"
MEMORY = "Memory Size"

first_version = fix_for("V2V-001")(rephrase.as_first_version)
memory_for_virt_v2v = fix_for("V2V-003")(rephrase.memory_in_mebibytes)
disk_of_drive = fix_for("V2V-004")(rephrase.drives_of_disks)
chunks_joined = fix_for("V2V-012")(rephrase.plain_files)
memory_for_ovirt = fix_for("OVI-002")(rephrase.memory_in_mebibytes)
capacity_for_ovirt = fix_for("OVI-004")(rephrase.capacities_in_bytes)
memory_for_forklift = fix_for("FKL-004")(rephrase.memory_in_mebibytes)
capacity_for_forklift = fix_for("FKL-004")(rephrase.capacities_in_bytes)
missing_unit = fix_for("FKL-005")(rephrase.memory_in_mebibytes)


@fix_for("V2V-008")
def firmware_in_lower_case(draft: Draft, _: Target, places: Places) -> Done:
    """Write efi and bios in lower case."""
    for entry, value in reading.firmware(draft.envelope):
        if draft.envelope.at(entry) in places and value.lower() in {"efi", "bios"}:
            draft.text.set(entry, f"{{{VMW}}}value", value.lower())
            yield entry, f"firmware: {summary(value)} -> {value.lower()}"


@fix_for("V2V-010")
def controllers_numbered(draft: Draft, _: Target, places: Places) -> Done:
    """Number controllers by rasd:InstanceID in digits, and tell whatever names them."""
    for section in hardware_sections(draft.envelope):
        parents = {item.said.get("Parent") for item in section.items if item.at in places}
        free = int(Hardware(draft, section.element).free_instance())
        for item in section.items:
            if item.instance not in parents or item.kind not in reading.CONTROLLERS:
                continue
            old = item.instance or ""
            if not DIGITS.fullmatch(old):
                _renumber(draft, section, old, str(free))
                yield item.element, f"{item.label} InstanceID: {summary(old)} -> {free}"
                free += 1


def _renumber(draft: Draft, section: ItemSection, old: str, new: str) -> None:
    """Give an item and its bounds another InstanceID, and all of its machine that name it."""
    machine = section.element.getparent()
    named = () if machine is None else machine.iter("{*}InstanceID", "{*}Parent")
    for child in named:
        holder = child.getparent()
        system = holder is not None and local_name(str(holder.tag)) == "System"
        if not system and (child.text or "").strip() == old:
            draft.write(child, new)


@fix_for("FKL-002")
def processors_described(draft: Draft, _: Target, places: Places) -> Done:
    """Describe the processors in the words that they are looked for by."""
    yield from rephrase.described_as(draft, places, ResourceType.PROCESSOR, PROCESSORS)


@fix_for("FKL-003")
def memory_described(draft: Draft, _: Target, places: Places) -> Done:
    """Describe the memory in the words that it is looked for by."""
    yield from rephrase.described_as(draft, places, ResourceType.MEMORY, MEMORY)
