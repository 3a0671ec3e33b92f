"""What oVirt's dialect and OVF 1.x have in common, and how the one is turned into the other.

No specification was published; this is what oVirt's engine writes, in its configurations, whose
namespace ends in a slash, and in its OVAs since 4.2. Names the standard does not have are put into
the namespace oVirt itself declares for that, as extensions that may be ignored.
"""

from __future__ import annotations

from lxml import etree

from ovf.dialect import TYPE, TYPED
from ovf.namespaces import OVF_10, RASD, VMW, VSSD, XSI, XSI_TYPE
from ovf.schema.vocabulary import vocabulary

OVF_OVIRT = f"{OVF_10}/"
OVIRT = "http://www.ovirt.org/ovf"
SPACES: dict[str | None, str] = {
    None: OVF_10,
    "ovf": OVF_10,
    "rasd": RASD,
    "vssd": VSSD,
    "vmw": VMW,
    "ovirt": OVIRT,
    "xsi": XSI,
}
SETTINGS = f"{{{OVIRT}}}ConfigurationSection"
"""What holds all that a virtual system of oVirt's says outside of sections."""
OWN_SPACES = frozenset(("", OVF_10, OVF_OVIRT))
SYSTEM = frozenset(("Info", "Name"))
"""What stands in a virtual system besides sections; oVirt has dozens of names more."""


def ovf(name: str) -> str:
    """Return a name of the standard as trees spell it."""
    return f"{{{OVF_10}}}{name}"


def own(name: str) -> str:
    """Return a name of oVirt's as trees spell it."""
    return f"{{{OVIRT}}}{name}"


def rasd(name: str) -> str:
    """Return a property of an item as trees spell it."""
    return f"{{{RASD}}}{name}"


def rename(element: etree._Element) -> None:
    """Give an element and its attributes the standard's names, or oVirt's own."""
    tag = etree.QName(element)
    name = _typed(element) or tag.localname
    if (tag.namespace or "") in OWN_SPACES:
        element.tag = ovf(name) if _is_standard(element, name) else own(name)
    elif tag.namespace == RASD and rasd(name) not in vocabulary("1").elements:
        element.tag = own(name)
    for key in list(map(str, element.attrib)):
        attribute = etree.QName(key)
        if (attribute.namespace or "") in OWN_SPACES:
            right = ovf(attribute.localname)
            known = is_of_standard(element) and right in vocabulary("1").attributes
            value = str(element.attrib.pop(key))
            element.set(right if known else own(attribute.localname), value)


def is_of_standard(element: etree._Element) -> bool:
    """Say whether an element, which has its name already, is none of oVirt's own."""
    return not str(element.tag).startswith(f"{{{OVIRT}}}")


def put(parent: etree._Element, tag: str, text: str | None = None, at: int = -1) -> etree._Element:
    """Put a new element into another, on whose line it is said to stand."""
    made = etree.Element(tag)
    made.text = text
    made.sourceline = parent.sourceline
    parent.insert(len(parent) if at < 0 else at, made)
    return made


def say(hardware: etree._Element, key: str, value: str) -> None:
    """Put a setting into a hardware section, as VMware writes what the standard has no word for."""
    made = put(hardware, f"{{{VMW}}}Config")
    made.set(ovf("required"), "false")
    made.set(f"{{{VMW}}}key", key)
    made.set(f"{{{VMW}}}value", value)


def text_of(parent: etree._Element, tag: str) -> str:
    """Return the text of a child; nothing where there is none."""
    return (parent.findtext(tag) or "").strip()


def take(parent: etree._Element, tag: str) -> str:
    """Return the text of a child that is said otherwise from now on, and remove it."""
    said = text_of(parent, tag)
    for child in parent.findall(tag):
        remove(child)
    return said


def remove(element: etree._Element) -> None:
    """Remove an element, but not the text behind it."""
    parent = element.getparent()
    if parent is not None:
        element.tail = None
        parent.remove(element)


def _typed(element: etree._Element) -> str | None:
    """Return the name that the type of a Section or Content gives it."""
    if etree.QName(element).localname not in TYPED:
        return None
    found = TYPE.fullmatch(str(element.attrib.pop(XSI_TYPE, "")).strip())
    return found["name"] if found else None


def _is_standard(element: etree._Element, name: str) -> bool:
    parent = element.getparent()
    if ovf(name) not in vocabulary("1").elements:
        return False
    if parent is None:
        return True
    if parent.tag == ovf("VirtualSystem"):
        return name in SYSTEM or name.endswith("Section")
    return is_of_standard(parent) and parent.tag != ovf("Item")
