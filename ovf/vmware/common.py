"""What VMware's importers have in common: the checks of all, and the standard's rules they mind."""

from __future__ import annotations

from types import MappingProxyType

from ovf.vmware import hardware, packaging, sections, structure
from rehost.report import Severity

EVERYWHERE = (
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
    packaging.misspelled_algorithm,
    packaging.disk_is_no_vmdk,
    packaging.disk_in_an_empty_file,
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

DESCRIPTOR = (
    *("REF-001", "REF-002", "REF-005"),
    *("DSK-001", "DSK-002", "DSK-003", "DSK-005", "DSK-006", "DSK-007", "DSK-008", "DSK-010"),
    *("ENV-006", "CNT-001", "VHS-001", "VHS-002", "NET-002", "CFG-001", "BND-001", "BND-003"),
    *("ITM-001", "ITM-002", "ITM-005", "ITM-008", "ITM-010", "ITM-012"),
)
FILES = (
    *("PKG-012", "PKG-021", "MAN-001", "MAN-004", "MAN-013", "REF-004", "REF-006", "REF-008"),
    *("REF-011",),
)
ENFORCED = MappingProxyType(dict.fromkeys((*DESCRIPTOR, *FILES), Severity.ERROR))
SOURCE = (
    "unconfirmed: what ovftool refuses among VMware's own test descriptors (govmomi, ovf/fixtures)"
)
