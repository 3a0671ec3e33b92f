"""Fixes of what Proxmox, OpenStack, Nutanix, Hyper-V and the clouds do not take."""

from __future__ import annotations

from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.importers import reading
from ovf.judging.profile import Target
from ovf.mending import rephrase
from ovf.mending.fix import Done, Places, fix_for
from ovf.outline import items

first_version_for_proxmox = fix_for("PVE-001")(rephrase.as_first_version)
first_version_for_nutanix = fix_for("NTX-003")(rephrase.as_first_version)
memory_for_proxmox = fix_for("PVE-003")(rephrase.memory_in_mebibytes)
disk_for_proxmox = fix_for("PVE-005")(rephrase.drives_of_disks)
files_for_proxmox = fix_for("PVE-011")(rephrase.plain_files)
memory_for_nutanix = fix_for("NTX-004")(rephrase.memory_in_mebibytes)
format_for_nutanix = fix_for("NTX-001")(rephrase.formats_of_the_files)
memory_for_hyperv = fix_for("HPV-004")(rephrase.memory_in_mebibytes)
files_for_openstack = fix_for("OSK-004")(rephrase.plain_files)
disk_for_google = fix_for("GCP-003")(rephrase.drives_of_disks)
memory_for_google = fix_for("GCP-006")(rephrase.memory_in_mebibytes)
files_for_google = fix_for("GCP-010")(rephrase.plain_files)
format_for_amazon = fix_for("AWS-001")(rephrase.formats_of_the_files)
files_for_amazon = fix_for("AWS-005")(rephrase.plain_files)


@fix_for("GCP-005")
def first_places(draft: Draft, _: Target, places: Places) -> Done:
    """Give a drive that is alone on its controller the first place there."""
    beside: dict[tuple[object, str | None], int] = {}
    for item in items(draft.envelope):
        key = (item.element.getparent(), item.said.get("Parent"))
        beside[key] = beside.get(key, 0) + 1
    for item in reading.devices(draft.envelope, ResourceType.DISK):
        parent = item.said.get("Parent")
        alone = parent is not None and beside[item.element.getparent(), parent] == 1
        if item.at in places and alone and "AddressOnParent" not in item.said:
            element = rephrase.said(draft, item, "AddressOnParent", "0")
            yield element, f"{item.label} has an AddressOnParent now (0)"
