"""Which rules tell, in better words, of what the schema refuses too.

A defect is reported once: the rule of the schema keeps silent where one of these told of the same
element. It asks them, so nothing is lost where they see no harm.
"""

from __future__ import annotations

from lxml import etree

from ovf.package import Package
from ovf.rule import Needs, all_rules
from ovf.violation import Kind, Violation
from rehost.report import Location, Severity
from rehost.tracked import local_name

ITEMS = ("Item", "EthernetPortItem", "StorageItem")
WHOLE = frozenset((*ITEMS, "System", "CIM_BootConfigSetting", "CIM_BootSourceSetting")) | {
    "Configuration",
    "EncryptionSection",
}
"""Elements whose rules tell of their children too: which are missing, misplaced or too many."""
ICON = ("height", "width", "mimeType", "fileRef")
PRODUCT = ("Product", "Vendor", "Version", "FullVersion", "ProductUrl", "VendorUrl", "AppUrl")
SHARED = ("diskId", "capacity", "readOnly")
COUNTS = ("minimum", "default", "maximum")
BOOTING = ("BootDeviceSection", "CIM_BootConfigSetting", "CIM_BootSourceSetting")
TELLERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("File", "id"): ("REF-001",),
    ("File", "href"): ("REF-002", "REF-003"),
    ("File", "size"): ("REF-016",),
    ("File", "chunkSize"): ("REF-016",),
    ("Disk", "diskId"): ("DSK-001",),
    ("Disk", "populatedSize"): ("DSK-009",),
    ("Disk", "capacity"): ("DSK-002",),
    ("Network", "name"): ("NET-002",),
    ("VirtualSystem", "id"): ("CNT-001",),
    ("VirtualSystemCollection", "id"): ("CNT-001",),
    ("Name", ""): ("CNT-003",),
    ("VirtualQuantity", ""): ("ITM-012",),
    ("Reservation", ""): ("ITM-012",),
    ("Limit", ""): ("ITM-012",),
    ("Weight", ""): ("ITM-012",),
    ("ResourceType", ""): ("ITM-002",),
    ("Envelope", "lang"): ("ENV-008",),
    ("Strings", "lang"): ("ENV-008",),
    ("Strings", ""): ("I18-003",),
    ("Section", ""): ("SEC-003",),
    ("Content", ""): ("SEC-003",),
    ("System", ""): ("VHS-007",),
    **dict.fromkeys(((name, "") for name in ITEMS), ("ITM-001", "ITM-017", "NET-003", "VHS-008")),
    ("Item", "id"): ("STA-001",),
    ("Item", "order"): ("STA-002",),
    ("Item", "startDelay"): ("STA-004",),
    ("Item", "stopDelay"): ("STA-004",),
    ("AnnotationSection", ""): ("ANN-001",),
    ("EulaSection", ""): ("EUL-001",),
    ("OperatingSystemSection", "id"): ("OSS-001",),
    ("InstallSection", "initialBootStopDelay"): ("INS-001",),
    ("DeploymentOptionSection", ""): ("DOS-004",),
    ("Configuration", ""): ("DOS-004",),
    ("Configuration", "id"): ("DOS-002",),
    ("Property", "key"): ("PRD-001",),
    ("Property", "type"): ("PRD-002",),
    ("Value", "value"): ("PRD-010",),
    **dict.fromkeys((("Icon", name) for name in ICON), ("PRD-013",)),
    **dict.fromkeys(((name, "") for name in PRODUCT), ("PRD-014",)),
    ("SharedDiskSection", ""): ("SHD-001",),
    **dict.fromkeys((("SharedDisk", name) for name in SHARED), ("SHD-001",)),
    ("ScaleOutSection", ""): ("SCO-001",),
    ("ScaleOutSection", "id"): ("SCO-001",),
    **dict.fromkeys((("InstanceCount", name) for name in COUNTS), ("SCO-001",)),
    ("PlacementGroupSection", "id"): ("PLC-001",),
    ("PlacementGroupSection", "policy"): ("PLC-001",),
    ("PlacementSection", "group"): ("PLC-002",),
    ("File", "fileRef"): ("EFS-001",),
    ("File", "path"): ("EFS-001",),
    ("EncryptionSection", ""): ("ENC-001",),
    **dict.fromkeys(((name, "") for name in BOOTING), ("BDS-001",)),
}
"""Rules by the local names of an element and of its attribute; "" is the element itself."""


def told_elsewhere(package: Package, violation: Violation) -> bool:
    """Say whether a rule of its own tells of a violation."""
    subject = local_name(str(violation.element.tag)), local_name(violation.attribute)
    at = _around(package, violation.element)
    parent = violation.element.getparent()
    if (
        parent is not None
        and violation.kind in {Kind.MISPLACED, Kind.LACKING}
        and _is_told_whole(parent)
    ):
        subject = local_name(str(parent.tag)), ""
    tellers = TELLERS.get(subject, ())
    return any(at & package.once(_places).get(teller, set()) for teller in tellers)


def _around(package: Package, element: etree._Element) -> set[Location]:
    """Return where an element stands, and where the item does that it is a property of."""
    near = {package.envelope.at(element)}
    parent = element.getparent()
    if parent is not None and _is_told_whole(parent):
        near.add(package.envelope.at(parent))
    return near


def _is_told_whole(element: etree._Element) -> bool:
    """Say whether the rules of an element are those of its children."""
    return local_name(str(element.tag)) in WHOLE


def _places(package: Package) -> dict[str, set[Location]]:
    """Return where each rule that may tell does tell of something that is an error."""
    names = {name for tellers in TELLERS.values() for name in tellers}
    return {
        rule.id: {location for location, _ in rule.check(package)}
        for rule in all_rules()
        if rule.id in names
        and rule.needs is Needs.DESCRIPTOR
        and rule.severity is Severity.ERROR
        and package.envelope.version in rule.versions
    }
