"""Documents that hold every element the schemas know: what mutations begin with."""

from __future__ import annotations

from lxml import etree

from tests.ovf.builders import FIXTURES

WHOLE = FIXTURES / "whole"


def whole(name: str) -> etree._Element:
    """Return a document with every element, and extensions wherever they may stand."""
    return etree.parse(str(WHOLE / name)).getroot()


def plain(name: str) -> etree._Element:
    """Return a document without its extensions, which hide what is wrong before them."""
    root = whole(name)
    for extension in list(root.iter("{urn:x}*")):
        parent = extension.getparent()
        if parent is not None and etree.QName(parent).localname != "EncryptionProperty":
            parent.remove(extension)
    return root
