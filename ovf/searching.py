"""Searching a whole tree by XPath: in libxml2, many times as fast as going over its elements."""

from __future__ import annotations

from typing import cast

from lxml import etree


def elements(path: etree.XPath, root: etree._Element) -> list[etree._Element]:
    """Return the elements a path selects, in document order."""
    return cast("list[etree._Element]", path(root))


def texts(path: etree.XPath, root: etree._Element) -> list[str]:
    """Return the texts and attribute values a path selects, in document order."""
    return cast("list[str]", path(root))
