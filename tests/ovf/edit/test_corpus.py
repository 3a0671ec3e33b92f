"""Every real descriptor that can be edited: rules and schemas it met before it meets after."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from ovf.edit import hardware, networks, options, ports, products, sections
from ovf.edit.draft import Draft
from ovf.edit.products import PropertyWords
from ovf.judging.validate import validate
from ovf.package import Package
from rehost.errors import InteropError
from tests.support.corpus import CORPUS

SCHEMAS = {
    "1": ("ovf-1.0.0/local/dsp8023_1.0.0.xsd", "ovf-1.1.0/local/dsp8023_1.1.0.xsd"),
    "2": ("ovf-2.0.1/local/dsp8023_2.0.1.xsd",),
}

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")


@cache
def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(CORPUS / "schemas" / name)))


def met(content: bytes, version: str) -> set[str]:
    """Return the schemas a descriptor is valid by."""
    root = etree.fromstring(content)
    return {name for name in SCHEMAS.get(version, ()) if schema(name).validate(root)}


def change(draft: Draft) -> None:
    """Make a change of each kind in the first virtual system."""
    system = draft.envelope.attribute(draft.envelope.systems[0], "id")
    sections.set_name(draft, system, "renamed")
    sections.set_annotation(draft, system, "hello <world>")
    sections.set_eula(draft, system, "agree")
    hardware.set_memory(draft, system, 3 << 30)
    hardware.set_processors(draft, system, 2)
    hardware.set_hardware_type(draft, system, ["vmx-10"])
    networks.add_nic(draft, system, "fresh net")
    ports.set_serial_ports(draft, system, 2)
    products.set_product(draft, system, {"Vendor": "me", "Product": "it", "Version": "1"})
    products.set_property(draft, system, "a.b", PropertyWords("1", label="c"), create=True)
    options.add_configuration(draft, "fresh", "Fresh", "For this")
    hardware.set_memory(draft, system, 1 << 30, ["fresh"])


@pytest.mark.slow
def test_what_was_met_before_is_met_after_a_change_of_each_kind(tmp_path: Path) -> None:
    edited = schemas = 0
    for path in sorted((CORPUS / "ovf").rglob("*.ovf")):
        try:
            package = Package.open(path)
            before = {found.rule for found in validate(package, descriptor_only=True)}
            draft = Draft.of(package)
            if not draft.envelope.systems:
                continue
            valid = met(draft.content, draft.envelope.version)
            change(draft)
        except InteropError:
            continue
        new = tmp_path / "new.ovf"
        new.write_bytes(draft.content)
        after = {found.rule for found in validate(Package.open(new), descriptor_only=True)}
        if not valid:  # what stands beside something misplaced is misplaced too
            before.add("ENV-007")
        before.add("ITM-013")  # what is reserved stays as it is when there is less
        assert after <= before, path
        assert valid <= met(draft.content, draft.envelope.version), path
        edited, schemas = edited + 1, schemas + len(valid)
    assert edited > 400
    assert schemas > 400


def test_an_addition_leaves_every_other_byte() -> None:
    count = 0
    for path in sorted((CORPUS / "ovf").rglob("*.ovf")):
        try:
            draft = Draft.of(Package.open(path))
            if not draft.envelope.systems:
                continue
            before = draft.content
            system = draft.envelope.attribute(draft.envelope.systems[0], "id")
            networks.add_nic(draft, system, "VM Network")
        except InteropError:
            continue
        lines, now = Counter(before.splitlines()), Counter(draft.content.splitlines())
        assert (lines - now).total() <= 1, path
        assert (now - lines).total() < 25, path
        count += 1
    assert count > 400
