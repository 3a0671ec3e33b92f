"""What VMware's importers have in common: the checks of all of them."""

from __future__ import annotations

from ovf.importers.vmware import grammar, guests, hardware, packaging, sections, structure
from rehost.report import Severity

EVERYWHERE = (
    guests.unknown_guest,
    hardware.too_new,
    hardware.parent_is_no_controller,
    hardware.quantity_is_missing,
    hardware.several_memories,
    hardware.setting_needs_newer,
    structure.unsupported_element,
    structure.unsupported_section,
    structure.missing_child,
    structure.unknown_draft,
    structure.second_version,
    grammar.said_twice,
    packaging.misspelled_algorithm,
    packaging.disk_is_no_vmdk,
    packaging.disk_in_an_empty_file,
    packaging.pax_headers,
    sections.populated_beyond_capacity,
    sections.property_types,
    sections.property_keys,
    sections.startup_names,
)
STRICT = (
    hardware.foreign_family,
    hardware.device_needs_newer,
    hardware.unknown_device,
    hardware.unknown_controller,
)
"""What ovftool lets pass with --lax, and Workstation and Fusion when asked to try again."""
LAX = tuple(check.as_severe(Severity.WARNING) for check in STRICT)
