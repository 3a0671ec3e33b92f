"""Rules of the ProductSection around its properties: clause 9.5."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ovf.envelope import CONTENT, Envelope
from ovf.environment.properties import products
from ovf.judging.rule import Basis, rule
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import local_name, summary

Found = Iterator[tuple[Location, str]]
REVERSED_DOMAIN = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z0-9_-]+)+")
SUMMARY = ("Product", "Vendor", "Version")
ICON = ("height", "width", "mimeType", "fileRef")
ORDER = {
    name: place
    for place, name in enumerate(
        (
            *("Info", "Product", "Vendor", "Version", "FullVersion"),
            *("ProductUrl", "VendorUrl", "AppUrl", "Icon", "Category"),
        )
    )
} | {"Property": 9}
SINGLE = frozenset(ORDER) - {"Icon", "Category", "Property"}


@rule("PRD-006", clause="9.5")
def products_are_distinct(package: Package) -> Found:
    """No two ProductSections of an entity have the same ovf:class and ovf:instance.

    Both together say which product a property is of; where they are left out they are empty.

    Fix: give each product a class, and each instance of a product an instance of its own.
    """
    seen: dict[object, int | None] = {}
    for product in products(package.envelope):
        key = (product.owner, product.class_, product.instance)
        if key in seen:
            name = f"class {summary(product.class_)!r}, instance {summary(product.instance)!r}"
            yield product.at, f"ProductSection is the one of line {seen[key]} again ({name})"
        seen.setdefault(key, product.at.line)


@rule("PRD-007", clause="9.5", severity=Severity.WARNING)
def classes_are_reversed_domains(package: Package) -> Found:
    """An ovf:class is a domain in reverse, such as org.apache.tomcat.

    Two vendors may choose the same word, but not the same domain.

    Fix: begin the class with your domain, its last part first.
    """
    for product in products(package.envelope):
        if product.class_ and not REVERSED_DOMAIN.fullmatch(product.class_):
            yield product.at, f"ovf:class is no reversed domain ({summary(product.class_)!r})"


@rule("PRD-012", clause="9.5", severity=Severity.WARNING)
def package_is_summed_up(package: Package) -> Found:
    """The first ProductSection of the outermost content says what the whole package is.

    Importers show its Product, Vendor and Version before they ask for anything.

    Fix: add Product, Vendor and Version.
    """
    envelope = package.envelope
    for content in envelope.children(envelope.root, *CONTENT):
        section = envelope.first(content, "ProductSection")
        if section is not None:
            missing = [n for n in SUMMARY if envelope.text(envelope.first(section, n)) is None]
            if missing:
                yield envelope.at(section), f"ProductSection has no {', no '.join(missing)}"


@rule("PRD-013", clause="9.5", basis=Basis.SCHEMA)
def icons_are_files(package: Package) -> Found:
    """An Icon has height, width, mimeType and fileRef, and its fileRef is the id of a File.

    Height and width are whole numbers.

    Fix: add what is missing, and list the picture in the References.
    """
    envelope = package.envelope
    for product in products(envelope):
        for icon in envelope.children(product.element, "Icon"):
            said = {name: envelope.attribute(icon, name) for name in ICON}
            missing = [f"ovf:{name}" for name, value in said.items() if not value]
            if missing:
                yield envelope.at(icon), f"Icon has no {' and no '.join(missing)}"
            for name in ("height", "width"):
                value = (said[name] or "0").strip()
                if not (value.isascii() and value.isdigit()):
                    yield (
                        envelope.at(icon),
                        f"Icon has an ovf:{name} that is no number ({summary(value)!r})",
                    )
            file = said["fileRef"]
            if file and envelope.reference(file) is None:
                yield envelope.at(icon), f"no File has the id {summary(file)!r}"


@rule("PRD-014", clause="9.5", basis=Basis.SCHEMA)
def products_are_in_order(package: Package) -> Found:
    """A ProductSection has the order of the schema, and one of each but icons and properties.

    Info, Product, Vendor, Version, FullVersion, ProductUrl, VendorUrl, AppUrl, Icons, then
    Categories and Properties. Readers made from the schema stop at the first element out of order.

    Fix: move the element to its place; of one that is given twice choose which stays.
    """
    envelope = package.envelope
    for product in products(envelope):
        last = ""
        for child in _known(product.element, envelope):
            name = local_name(str(child.tag))
            if last and ORDER[name] < ORDER[last]:
                yield envelope.at(child), f"{name} comes after {last}"
            elif name == last and name in SINGLE:
                yield envelope.at(child), f"{name} is given again"
            last = max(last, name, key=lambda each: ORDER.get(each, -1))


def _known(section: etree._Element, envelope: Envelope) -> Iterator[etree._Element]:
    for child in envelope.children(section):
        if (
            etree.QName(child).namespace == envelope.namespace
            and local_name(str(child.tag)) in ORDER
        ):
            yield child
