"""Which rules tell, in better words, of what the schema refuses too.

A defect is reported once: the rule of the schema keeps silent where one of these tells of the same
element. It asks them, so nothing is lost where they see no harm.
"""

from __future__ import annotations

from ovf.judging.rule import Needs, all_rules
from ovf.package import Package
from ovf.schema.violation import Kind, Violation
from rehost.report import Location, Severity
from rehost.tracked import local_name

CHILDREN, MISSING = "*", "-"
ITEMS = ("Item", "EthernetPortItem", "StorageItem")
SETTINGS = frozenset((*ITEMS, "System"))
QUANTITIES = ("VirtualQuantity", "Reservation", "Limit", "Weight")
TELLERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("File", "id"): ("REF-001",),
    ("File", "href"): ("REF-002", "REF-003"),
    ("File", "size"): ("REF-016",),
    ("File", "chunkSize"): ("REF-016",),
    ("File", "fileRef"): ("EFS-001",),
    ("File", "path"): ("EFS-001",),
    ("Disk", "diskId"): ("DSK-001",),
    ("Disk", "capacity"): ("DSK-002",),
    ("Disk", "populatedSize"): ("DSK-009",),
    ("SharedDisk", "diskId"): ("SHD-001",),
    ("SharedDisk", "capacity"): ("SHD-001",),
    ("SharedDisk", "readOnly"): ("SHD-001",),
    ("SharedDiskSection", CHILDREN): ("SHD-001",),
    ("Network", "name"): ("NET-002",),
    ("Network", CHILDREN): ("NET-003",),
    ("NetworkPortProfile", CHILDREN): ("NET-003",),
    ("NetworkPortProfileURI", ""): ("NET-003",),
    ("Configuration", "id"): ("DOS-002",),
    ("Configuration", CHILDREN): ("DOS-004",),
    ("DeploymentOptionSection", CHILDREN): ("DOS-004",),
    ("EncryptionSection", CHILDREN): ("ENC-001",),
    ("DataReference", "URI"): ("ENC-001",),
    ("KeyReference", "URI"): ("ENC-001",),
    ("PlacementGroupSection", "id"): ("PLC-001",),
    ("PlacementGroupSection", "policy"): ("PLC-001",),
    ("PlacementSection", "group"): ("PLC-002",),
    ("ScaleOutSection", "id"): ("SCO-001",),
    ("ScaleOutSection", CHILDREN): ("SCO-001",),
    ("InstanceCount", "minimum"): ("SCO-001",),
    ("InstanceCount", "default"): ("SCO-001",),
    ("InstanceCount", "maximum"): ("SCO-001",),
    ("VirtualSystem", "id"): ("CNT-001",),
    ("VirtualSystem", CHILDREN): ("CNT-003",),
    ("VirtualSystemCollection", "id"): ("CNT-001",),
    ("VirtualSystemCollection", CHILDREN): ("CNT-003", "SEC-001"),
    ("Item", "id"): ("STA-001",),
    ("Item", "order"): ("STA-002",),
    ("Item", "startDelay"): ("STA-004",),
    ("Item", "stopDelay"): ("STA-004",),
    **dict.fromkeys(((name, CHILDREN) for name in ITEMS), ("VHS-008",)),
    **dict.fromkeys(((name, MISSING) for name in ITEMS), ("ITM-001", "ITM-017", "NET-003")),
    ("System", CHILDREN): ("VHS-007",),
    ("VirtualHardwareSection", CHILDREN): ("ITM-017",),
    ("ResourceType", ""): ("ITM-002",),
    **dict.fromkeys(((name, "") for name in QUANTITIES), ("ITM-012",)),
    ("OperatingSystemSection", "id"): ("OSS-001",),
    ("InstallSection", "initialBootStopDelay"): ("INS-001",),
    ("BootDeviceSection", CHILDREN): ("BDS-001",),
    ("CIM_BootConfigSetting", CHILDREN): ("BDS-001",),
    ("CIM_BootSourceSetting", CHILDREN): ("BDS-001",),
    ("AnnotationSection", CHILDREN): ("ANN-001",),
    ("EulaSection", CHILDREN): ("EUL-001",),
    ("ProductSection", CHILDREN): ("PRD-014",),
    ("Property", "key"): ("PRD-001",),
    ("Property", "type"): ("PRD-002",),
    ("Value", "value"): ("PRD-010",),
    ("Icon", "height"): ("PRD-013",),
    ("Icon", "width"): ("PRD-013",),
    ("Icon", "mimeType"): ("PRD-013",),
    ("Icon", "fileRef"): ("PRD-013",),
    ("Envelope", "lang"): ("ENV-008",),
    ("Strings", "lang"): ("ENV-008",),
    ("Section", ""): ("SEC-003",),
    ("Content", ""): ("SEC-003",),
}
"""Rules by the names of an element and its attribute, or nothing for itself.

In place of the attribute stand signs for its children, and for those of them that are missing.
"""


def told_elsewhere(package: Package, violation: Violation) -> bool:
    """Say whether a rule of its own tells of a violation."""
    element = violation.element
    name, attribute = local_name(str(violation.subject.tag)), local_name(violation.attribute)
    tellers = TELLERS.get((name, CHILDREN if violation.of_children else attribute), ())
    if violation.kind in {Kind.LACKING, Kind.INCOMPLETE}:
        tellers += TELLERS.get((name, MISSING), ())
    if not tellers:
        return False
    near = {package.envelope.at(element)}
    parent = element.getparent()
    if violation.of_children:
        near.add(package.envelope.at(violation.subject))
        near |= {package.envelope.at(child) for child in violation.subject}
    elif parent is not None and local_name(str(parent.tag)) in SETTINGS:
        near.add(package.envelope.at(parent))
    told = package.once(_places)
    return any(near & told.get(teller, set()) for teller in tellers)


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
