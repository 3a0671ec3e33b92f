"""Bounds for judging by a schema: libxml2 counts an element's siblings for every error it tells.

That takes time by the square of a crowd, so of a crowd only the first are told of. No honest
descriptor has as many. While it parses, libxml2 counts nothing, so errors can be counted.
"""

from __future__ import annotations

from collections import Counter

from lxml import etree

from ovf.schema.judged_copy import take_out

MOST_ALIKE = 1000
MOST_CHILDREN = 2000
MOST_ELEMENTS = 50_000


def is_crowded(root: etree._Element) -> bool:
    """Say whether some element has too many children to ask libxml2 about all of them."""
    return any(len(element) > MOST_ALIKE for element in root.iter(etree.Element))


def is_valid(schema: etree.XMLSchema, root: etree._Element) -> bool:
    """Say whether a tree is valid, crowded or not."""
    if not is_crowded(root):
        return schema.validate(root)
    parser = etree.XMLParser(schema=schema, resolve_entities=False, no_network=True)
    try:
        etree.fromstring(etree.tostring(root), parser)
    except etree.XMLSyntaxError:
        return False
    return True


def thin(root: etree._Element) -> bool:
    """Take away what is too much of a crowd; say whether a document is left that can be judged."""
    for element in list(root.iter(etree.Element)):
        if len(element) > MOST_ALIKE:
            alike: Counter[str] = Counter()
            for number, child in enumerate(list(element)):
                alike[str(child.tag)] += 1
                if alike[str(child.tag)] > MOST_ALIKE or number >= MOST_CHILDREN:
                    take_out(child)
    return sum(1 for _ in root.iter(etree.Element)) <= MOST_ELEMENTS
