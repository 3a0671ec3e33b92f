"""OVF 0.9, and the draft of OVF 1.0 that still looked like it.

Spec: none was published; this is what VMware's and VirtualBox's writers of 2007 to 2009 have in
common. Sections and content are ``Section`` and ``Content`` elements whose ``xsi:type`` says what
they are (``ovf:DiskSection_Type``), most elements are in no namespace, items are numbered by
``InstanceId`` and named by ``Caption``, and a controller's place is its ``BusNumber``.
"""

from __future__ import annotations

from lxml import etree

from ovf.dialect import TYPE, TYPED, Dialect
from ovf.namespaces import CIM, OVF_09, OVF_10, XSI_TYPE

SETTINGS = f"{{{CIM}"
RENAMED = {"InstanceId": "InstanceID", "Caption": "ElementName", "BusNumber": "Address"}


def _recognise(root: etree._Element) -> str | None:
    tag = etree.QName(root)
    if tag.localname != "Envelope":
        return None
    if tag.namespace == OVF_09:
        return "OVF 0.9"
    typed = (child.get(XSI_TYPE) for child in root.iterchildren(etree.Element) if _typed(child))
    if tag.namespace == OVF_10 and any(typed):
        return "the draft of OVF 1.0"
    return None


def _translate(root: etree._Element) -> etree._Element:
    for element in root.iter(etree.Element):
        tag = str(element.tag)
        if tag.startswith(SETTINGS):
            continue
        if tag.startswith(f"{{{OVF_09}}}"):
            element.tag = f"{{{OVF_10}}}{tag.rpartition('}')[2]}"
        elif not tag.startswith("{"):
            element.tag = f"{{{OVF_10}}}{tag}"
        if _typed(element):
            _name_by_type(element)
        _rename_settings(element)
        _rename_attributes(element)
    return root


def _typed(element: etree._Element) -> bool:
    return str(element.tag).rpartition("}")[2] in TYPED


def _name_by_type(element: etree._Element) -> None:
    """Give a Section or Content the name its type has; one without a type keeps its own."""
    found = TYPE.fullmatch((element.get(XSI_TYPE) or "").strip())
    if found is None:
        return
    namespace = element.nsmap.get(found["prefix"], OVF_09)
    element.tag = f"{{{OVF_10 if namespace == OVF_09 else namespace}}}{found['name']}"
    del element.attrib[XSI_TYPE]


def _rename_settings(item: etree._Element) -> None:
    """Spell an item's children as later CIM schemas do, where it does not say that name too."""
    known = {str(child.tag) for child in item.iterchildren(etree.Element)}
    for child in item.iterchildren(etree.Element):
        namespace, _, name = str(child.tag).rpartition("}")
        new = f"{namespace}}}{RENAMED.get(name)}"
        if namespace.startswith(SETTINGS) and name in RENAMED and new not in known:
            known.add(new)
            child.tag = new


def _rename_attributes(element: etree._Element) -> None:
    for name in list(element.attrib):
        if str(name).startswith(f"{{{OVF_09}}}"):
            value = element.attrib.pop(name)
            element.set(f"{{{OVF_10}}}{str(name).rpartition('}')[2]}", value)


DIALECT = Dialect("draft", _recognise, _translate)
