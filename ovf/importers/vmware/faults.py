"""The standard's rules that VMware's importers mind, and where that is known from.

A descriptor that breaks one is answered with a fault of the vSphere Web Services API; its
documentation says what each fault is for. What it does not say is taken from what ovftool refuses
among VMware's own test descriptors.
"""

from __future__ import annotations

from types import MappingProxyType

from ovf.judging.profile import Sure
from rehost.report import Severity

DOCUMENTED = {
    "OvfDiskOrderConstraint": ("DSK-007",),
    "OvfDuplicatedElementBoundary": ("BND-003",),
    "OvfHostResourceConstraint": ("ITM-008",),
    "OvfInvalidValueConfiguration": ("CFG-001",),
    "OvfDuplicateElement": ("SEC-002",),
    "OvfInvalidValueFormatMalformed": ("DSK-002", "DSK-003", "ITM-012", "REF-016"),
    "OvfInvalidValueReference": ("DSK-005", "DSK-010", "ITM-005", "ITM-010"),
    "OvfMissingAttribute": (
        *("REF-001", "REF-002", "DSK-001", "DSK-008", "CNT-001", "DOS-002", "NET-002"),
    ),
    "OvfMissingElement": (
        *("ENV-006", "VHS-001", "ITM-001", "ITM-002", "ANN-001", "EUL-001", "DOS-004"),
    ),
    "OvfMissingElementNormalBoundary": ("BND-004",),
    "OvfPropertyValue": ("PRD-003",),
    "OvfUnexpectedElement": ("VHS-002",),
}
"""By the fault's name; each becomes one because the rule's defect is what the fault is for."""
IGNORED = {"OvfPropertyQualifierIgnored": ("PRD-004",)}
"""What is passed over, and said to be."""
SEEN = ("REF-005", "DSK-006", "BND-001")
"""What ovftool refuses among VMware's own test descriptors."""
FILES = (
    *("PKG-012", "PKG-021", "MAN-001", "MAN-004", "MAN-013", "REF-004", "REF-006", "REF-008"),
    *("REF-011",),
)
"""What needs the files, and follows from what the importer reads."""
STREAMED = f"{Sure.UNCONFIRMED.value}: the importer reads a disk while it arrives, as a stream"
DISKS = {
    "DSK-012": (Severity.ERROR, STREAMED),
    "DSK-013": (
        Severity.WARNING,
        f"{Sure.UNCONFIRMED.value}: hosts are said to refuse a capacity below the disk's own size",
    ),
    "DSK-014": (
        Severity.WARNING,
        f"{Sure.ISSUE.value}: github.com/home-assistant/operating-system/issues/2121, "
        "coreos/coreos-assembler/pull/1156; the cause is unconfirmed",
    ),
    "DSK-020": (Severity.ERROR, STREAMED),
    "DSK-025": (
        Severity.ERROR,
        f"{Sure.ISSUE.value}: ESXi says 'Not a supported disk format (sparse VMDK version too "
        "old)' to what QEMU 2.1 to 2.5 wrote",
    ),
}
"""What is in the disks: how much it matters, and where that is known from."""

ENFORCED = MappingProxyType(
    dict.fromkeys((*(rule for rules in DOCUMENTED.values() for rule in rules),), Severity.ERROR)
    | dict.fromkeys((*SEEN, *FILES), Severity.ERROR)
    | dict.fromkeys((rule for rules in IGNORED.values() for rule in rules), Severity.WARNING)
    | {rule: severity for rule, (severity, _) in DISKS.items()}
)
SOURCES = MappingProxyType(
    {
        rule: f"{Sure.DOCUMENTATION.value}: vSphere Web Services API, fault {fault}"
        for fault, rules in (*DOCUMENTED.items(), *IGNORED.items())
        for rule in rules
    }
    | {rule: source for rule, (_, source) in DISKS.items()}
)
SOURCE = (
    f"{Sure.UNCONFIRMED.value}: what ovftool refuses among VMware's own test descriptors "
    "(govmomi, ovf/fixtures)"
)
