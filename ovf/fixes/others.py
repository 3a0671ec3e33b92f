"""Fixes of what Proxmox, OpenStack, Nutanix, Hyper-V and the clouds do not take."""

from __future__ import annotations

from ovf.mending import rephrase as restating
from ovf.mending.fix import fix_for

first_version_for_proxmox = fix_for("PVE-001")(restating.as_first_version)
first_version_for_nutanix = fix_for("NTX-003")(restating.as_first_version)
memory_for_proxmox = fix_for("PVE-003")(restating.memory_in_mebibytes)
disk_for_proxmox = fix_for("PVE-005")(restating.drives_of_disks)
files_for_proxmox = fix_for("PVE-011")(restating.plain_files)
memory_for_nutanix = fix_for("NTX-004")(restating.memory_in_mebibytes)
format_for_nutanix = fix_for("NTX-001")(restating.formats_of_the_files)
memory_for_hyperv = fix_for("HPV-004")(restating.memory_in_mebibytes)
files_for_openstack = fix_for("OSK-004")(restating.plain_files)
disk_for_google = fix_for("GCP-003")(restating.drives_of_disks)
memory_for_google = fix_for("GCP-006")(restating.memory_in_mebibytes)
files_for_google = fix_for("GCP-010")(restating.plain_files)
format_for_amazon = fix_for("AWS-001")(restating.formats_of_the_files)
files_for_amazon = fix_for("AWS-005")(restating.plain_files)
