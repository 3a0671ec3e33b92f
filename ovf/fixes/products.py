"""Fixes of the ProductSection: clause 9.5."""

from __future__ import annotations

from lxml import etree

from ovf.edit.draft import Draft
from ovf.environment.properties import products
from ovf.mending.fix import Done, fix
from rehost.tracked import local_name

ORDER = (
    *("Info", "Product", "Vendor", "Version", "FullVersion"),
    *("ProductUrl", "VendorUrl", "AppUrl", "Icon"),
)
LAST = ("Category", "Property")
"""A Category names what follows it, so that these two stay as they stand to each other."""


@fix("PRD-014")
def products_sorted(draft: Draft) -> Done:
    """Put what a product says in order, extensions last; which of two is right stays open."""
    ranks = {draft.name(name): rank for rank, name in enumerate(ORDER)}
    ranks |= dict.fromkeys(map(draft.name, LAST), len(ORDER))

    def rank(child: etree._Element) -> int:
        return ranks.get(str(child.tag), len(ORDER) + 1)

    for product in products(draft.envelope):
        children = draft.text.children(product.element)
        right = sorted(children, key=rank)
        if right != children:
            draft.text.reorder(product.element, right)
            names = dict.fromkeys(local_name(str(child.tag)) for child in right)
            yield product.element, f"ProductSection is in order now ({', '.join(names)})"
