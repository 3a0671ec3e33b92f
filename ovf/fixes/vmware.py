"""Fixes of what VMware's importers do not take."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.importers import reading
from ovf.importers.reading import Hardware
from ovf.importers.vmware import hardware, packaging, structure
from ovf.importers.vmware.hardware import needed_by, version_of
from ovf.importers.vmware.hosts import host_of
from ovf.judging.profile import Target
from ovf.mending import rephrase
from ovf.mending.fix import Done, Places, fix_for
from ovf.outline import children_of, items
from rehost.tracked import local_name, summary

USUAL = 13
"""What a machine of another family becomes where the host has it: whatever is supported does."""
STAYS = frozenset(("VirtualHardwareSection", "DiskSection", "NetworkSection"))
"""Sections without which the machine would be another."""


def _sections(draft: Draft, places: Places) -> Iterator[Hardware]:
    for sections in reading.machines(draft.envelope):
        for section in sections:
            if section.at in places:
                yield section


def _families(draft: Draft, section: Hardware, *, version: int, last: int) -> Done:
    """Name a version of VMware's hardware, or what the devices need, in place of all families."""
    kind = next(section.element.iter("{*}VirtualSystemType"), None)
    right = max(version, needed_by(draft.envelope, section))
    if kind is not None and right <= last:
        family = f"vmx-{right:02}"
        draft.write(kind, family)
        yield kind, f"VirtualSystemType: {summary(' '.join(section.families))} -> {family}"


@fix_for("VMW-001")
def families_of_vmware(draft: Draft, target: Target, places: Places) -> Done:
    """Name the hardware that every supported host runs, newer only where a device needs it."""
    host = host_of(target)
    for section in _sections(draft, places):
        yield from _families(draft, section, version=min(host.first, USUAL), last=host.last)


@fix_for("VMW-002")
def families_of_the_host(draft: Draft, target: Target, places: Places) -> Done:
    """Name the newest hardware the release came with, unless a device needs newer."""
    host = host_of(target)
    for section in _sections(draft, places):
        yield from _families(draft, section, version=host.first, last=host.last)


@fix_for("VMW-003")
def families_without_update(draft: Draft, target: Target, places: Places) -> Done:
    """Name the hardware the release came with, unless a device needs newer."""
    host = host_of(target)
    for section in _sections(draft, places):
        yield from _families(draft, section, version=host.first, last=host.first)


def _as_needed(draft: Draft, target: Target, places: Places) -> Done:
    """Name the hardware version that devices and settings need, if the host runs it."""
    for sections in reading.machines(draft.envelope):
        for section in sections:
            version, needed = version_of(section), needed_by(draft.envelope, section)
            if version is not None and needed > version:
                yield from _families(draft, section, version=needed, last=host_of(target).last)


families_for_devices = fix_for("VMW-005")(_as_needed)
families_for_settings = fix_for("VMW-011")(_as_needed)


@fix_for("VMW-006")
def devices_passed_over(draft: Draft, _: Target, __: Places) -> Done:
    """Mark devices that VMware does not have as not required."""
    yield from rephrase.devices_passed_over(draft, hardware.unknown_devices(draft.envelope))


@fix_for("VMW-007")
def models_of_ide_left_out(draft: Draft, _: Target, places: Places) -> Done:
    """Remove the ResourceSubType of IDE controllers, of which VMware has one kind."""
    for item in items(draft.envelope):
        found = children_of(item.element, "ResourceSubType", draft.envelope)
        if item.at in places and item.kind == ResourceType.IDE and found:
            draft.text.remove(found[-1])
            model = summary(item.said.get("ResourceSubType", ""))
            yield found[-1], f"{item.label} has no ResourceSubType now (was {model})"


@fix_for("VMW-020")
def elements_passed_over(draft: Draft, _: Target, __: Places) -> Done:
    """Mark extensions as not required; elements of the standard could not be spared."""
    envelope = draft.envelope
    for element in structure.unsupported_elements(envelope):
        if etree.QName(element).namespace != envelope.namespace:
            yield from rephrase.required_no_more(draft, element, local_name(str(element.tag)))


@fix_for("VMW-021")
def sections_passed_over(draft: Draft, _: Target, __: Places) -> Done:
    """Mark sections as not required that are another vendor's, or of use elsewhere only."""
    for _holder, element in structure.unsupported_sections(draft.envelope):
        name = local_name(str(element.tag))
        if name not in STAYS:
            yield from rephrase.required_no_more(draft, element, name)


@fix_for("VMW-036")
def settings_passed_over(draft: Draft, _: Target, __: Places) -> Done:
    """Mark a vmw:ExtraConfig as not required."""
    for element, key in packaging.required_extras(draft.envelope):
        yield from rephrase.required_no_more(draft, element, f"ExtraConfig {key!r}")


files_unpacked = fix_for("VMW-033")(rephrase.plain_files)
formats_of_the_files = fix_for("VMW-034")(rephrase.formats_of_the_files)
first_version = fix_for("VMW-024")(rephrase.as_first_version)
