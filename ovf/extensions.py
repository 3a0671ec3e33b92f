"""What a descriptor says beyond the standard, and where it may.

Spec: DSP0243 clause 7.3 (extensibility), 7.4 (conformance levels) and 8.2 (items). An extension is
an element of a namespace that the standard does not define, in an element that it does; what lies
inside of it is the extension's own affair. Where extensions may stand is what the schemas say:
instead of a section, and behind the last child of most types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import accumulate

from lxml import etree

from ovf.envelope import CONTENT, Envelope
from ovf.foreign import VERSIONS
from ovf.schema.vocabulary import corrected, vocabulary
from rehost.tracked import local_name

DMTF = "http://schemas.dmtf.org/"
HOLDERS = frozenset(("Envelope", *CONTENT))
"""What holds sections."""
OPEN = frozenset(
    (
        "References",
        "File",
        "Disk",
        "SharedDisk",
        "Value",
        "NetworkPortProfile",
        "Item",
        "EthernetPortItem",
        "StorageItem",
        "System",
        "CIM_BootConfigSetting",
        "CIM_BootSourceSetting",
    )
)
"""Types that are no sections and may have extensions behind their children."""
CLOSED_SECTIONS = frozenset(("BootDeviceSection", "EncryptionSection"))
FALSE = frozenset(("false", "0"))
INTRODUCTION = frozenset(("Info", "Name"))
NOTHING: frozenset[str] = frozenset()


class Origin(Enum):
    """Whose an element is; one is unknown when a namespace of the DMTF's does not define it."""

    STANDARD = "standard"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Extension:
    """An element that the standard does not define, and the element of the standard around it.

    ``before`` and ``after`` are the names of the standard's elements that stand beside it.
    """

    element: etree._Element
    parent: etree._Element
    required: bool
    before: frozenset[str]
    after: frozenset[str]

    @property
    def is_section(self) -> bool:
        """Say whether it stands where sections do."""
        return local_name(str(self.parent.tag)) in HOLDERS


def extensions(envelope: Envelope) -> tuple[Extension, ...]:
    """Return the extensions of a descriptor by their parents, without misspelled namespaces."""
    parents = (
        element.getparent()
        for element in envelope.once(standard_part)
        if is_foreign(element, envelope.version)
    )
    distinct = dict.fromkeys(parent for parent in parents if parent is not None)
    return tuple(found for parent in distinct for found in _within(parent, envelope))


def _within(parent: etree._Element, envelope: Envelope) -> Iterator[Extension]:
    """Yield the extensions among the children of an element, looking at each child once."""
    required = f"{{{envelope.namespace}}}required"
    children = [
        (child, "" if is_foreign(child, envelope.version) else local_name(str(child.tag)))
        for child in parent.iterchildren(etree.Element)
    ]
    names = [name for _, name in children]
    beside = zip(accumulate(names, _with, initial=NOTHING), _behind(names), strict=False)
    for (child, name), (before, after) in zip(children, beside, strict=False):
        namespace = etree.QName(child).namespace
        if not name and namespace and corrected(namespace) is None:
            needed = child.get(required, "true").strip() not in FALSE
            yield Extension(child, parent, needed, before, after)


def _behind(names: list[str]) -> list[frozenset[str]]:
    """Return for each place in a list the names from there on."""
    return list(accumulate(reversed(names), _with, initial=NOTHING))[:0:-1]


def _with(names: frozenset[str], name: str) -> frozenset[str]:
    return names if not name or name in names else names | {name}


def standard_part(envelope: Envelope) -> tuple[etree._Element, ...]:
    """Return the elements that are in no extension, themselves among them if they are one."""
    return tuple(_standard_part(envelope.root, envelope.version))


def _standard_part(element: etree._Element, version: str) -> Iterator[etree._Element]:
    yield element
    if is_of_dmtf(element, version):
        for child in element.iterchildren(etree.Element):
            yield from _standard_part(child, version)


def is_foreign(element: etree._Element, version: str) -> bool:
    """Say whether an element's namespace is none of those this version of the standard defines."""
    return _origin(str(element.tag), version) is Origin.FOREIGN


def is_of_dmtf(element: etree._Element, version: str) -> bool:
    """Say whether this version of the standard itself defines an element.

    Signatures and encrypted parts it does not: what is in them follows rules of the W3C's.
    """
    tag = str(element.tag)
    return tag.startswith(f"{{{DMTF}") and _origin(tag, version) is Origin.STANDARD


def is_of_other_version(element: etree._Element, version: str) -> bool:
    """Say whether an element is in the envelope namespace of the other version."""
    return VERSIONS.get(etree.QName(element).namespace or "", version) != version


def is_unknown(element: etree._Element, version: str) -> bool:
    """Say whether an element is in a namespace of the DMTF, which does not define it."""
    return _origin(str(element.tag), version) is Origin.UNKNOWN


@lru_cache(maxsize=4096)
def _origin(tag: str, version: str) -> Origin:
    namespace, known = tag[1:].partition("}")[0], vocabulary(version)
    if namespace not in known.namespaces or not tag.startswith("{"):
        return Origin.FOREIGN
    if tag in known.elements or not namespace.startswith(DMTF):
        return Origin.STANDARD
    return Origin.UNKNOWN


def is_allowed(extension: Extension) -> bool:
    """Say whether an extension stands where the standard lets one stand."""
    before, after = extension.before, extension.after
    match local_name(str(extension.parent.tag)):
        case "Envelope":
            return "References" not in after and before.isdisjoint(CONTENT)
        case "VirtualSystem":
            return not INTRODUCTION & after
        case "VirtualSystemCollection":
            return before.isdisjoint(CONTENT) and not INTRODUCTION & after
        case _:
            return is_open(extension.parent) and not after


def is_open(parent: etree._Element) -> bool:
    """Say whether the standard lets extensions stand behind the children of an element."""
    name = local_name(str(parent.tag))
    above = parent.getparent()
    if name == "Item" and above is not None and local_name(str(above.tag)) == "StartupSection":
        return False
    return name in OPEN or (name.endswith("Section") and name not in CLOSED_SECTIONS)
