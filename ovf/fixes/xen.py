"""Fixes of what XenCenter, XCP-ng Center and Xen Orchestra do not take."""

from __future__ import annotations

from ovf.cim import ResourceType
from ovf.edit.draft import AROUND, Draft
from ovf.importers import reading
from ovf.judging.profile import Target
from ovf.mending import rephrase
from ovf.mending.fix import Done, Places, fix_for
from ovf.outline import items
from ovf.profiles.xenserver import CAPABLE
from rehost.tracked import summary

SECTIONS = {ResourceType.DISK: "DiskSection", ResourceType.ETHERNET: "NetworkSection"}
INFOS = {"DiskSection": "The virtual disks", "NetworkSection": "The list of logical networks"}

first_version = fix_for("XEN-001")(rephrase.as_first_version)
memory_unit = fix_for("XEN-002")(rephrase.memory_in_mebibytes)
missing_amount_unit = fix_for("XEN-011")(rephrase.memory_in_mebibytes)
chunks_joined = fix_for("XEN-008")(rephrase.plain_files)
unit_of_memory = fix_for("XOA-003")(rephrase.memory_in_mebibytes)
unit_of_capacity = fix_for("XOA-003")(rephrase.capacities_in_bytes)
missing_unit = fix_for("XOA-004")(rephrase.memory_in_mebibytes)
disk_of_drive = fix_for("XOA-006")(rephrase.drives_of_disks)


@fix_for("XEN-005")
def networks_described(draft: Draft, _: Target, places: Places) -> Done:
    """Describe each Network by its name."""
    envelope = draft.envelope
    for section in envelope.sections("NetworkSection"):
        for network in envelope.children(section, "Network"):
            name = envelope.attribute(network, "name")
            described = envelope.first(network, "Description") is not None
            if envelope.at(network) in places and name and not described:
                draft.text.prepend(network, draft.new("Description", name))
                yield network, f"Network '{summary(name)}' has a Description now"


@fix_for("XEN-004")
def sections_listed(draft: Draft, _: Target, places: Places) -> Done:
    """Add the section that lists disks or networks; networks are those that adapters name."""
    envelope = draft.envelope
    kinds = {item.kind for item in items(envelope)}
    for kind, name in SECTIONS.items():
        if places and kind in kinds and not envelope.sections(name):
            section = draft.new(name)
            section.append(draft.new("Info", INFOS[name]))
            draft.put(envelope.root, section, AROUND)
            yield envelope.root, f"there is a {name} now, with nothing in it"


@fix_for("XEN-015")
def captions_left_out(draft: Draft, _: Target, places: Places) -> Done:
    """Leave out a Caption that is misread; it becomes the Description where there is none."""
    for item in items(draft.envelope):
        child = item.element.find("{*}Caption")
        if item.at in places and child is not None:
            text = item.said.get("Caption", "")
            if "Description" not in item.said:
                rephrase.said(draft, item, "Description", text)
            draft.text.remove(child)
            yield child, f"{item.label} has no Caption now (was {summary(text)})"


@fix_for("XEN-006")
def devices_passed_over(draft: Draft, _: Target, __: Places) -> Done:
    """Mark devices that Xen does not have as not required."""
    others = reading.required_besides(CAPABLE | {0}, draft.envelope)
    yield from rephrase.devices_passed_over(draft, others)


@fix_for("XOA-009")
def adapters_enabled(draft: Draft, _: Target, places: Places) -> Done:
    """Say that adapters are there from the start, as they are wherever nothing is said."""
    for item in items(draft.envelope):
        if item.at in places and item.kind == ResourceType.ETHERNET:
            element = rephrase.said(draft, item, "AutomaticAllocation", "true")
            yield element, f"{item.label} has AutomaticAllocation now (true)"
