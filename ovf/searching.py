"""Searching a whole tree by XPath: in libxml2, many times as fast as going over its elements."""

from __future__ import annotations

from typing import cast

from lxml import etree

from ovf.backing import backing_of

FILE_REFERENCES = etree.XPath("//@*[local-name() = 'fileRef']", smart_strings=False)
MENTIONS = etree.XPath(
    "//@*[contains(., 'file/')] | //text()[contains(., 'file/')]", smart_strings=False
)


def elements(path: etree.XPath, root: etree._Element) -> list[etree._Element]:
    """Return the elements a path selects, in document order."""
    return cast("list[etree._Element]", path(root))


def texts(path: etree.XPath, root: etree._Element) -> list[str]:
    """Return the texts and attribute values a path selects, in document order."""
    return cast("list[str]", path(root))


def files_in_use(root: etree._Element) -> set[str]:
    """Return the ids of Files that anything in a descriptor refers to, extensions too."""
    used = set(texts(FILE_REFERENCES, root))
    for text in texts(MENTIONS, root):
        if (found := backing_of(text)) is not None and found.kind == "file":
            used.add(found.id)
    return used
