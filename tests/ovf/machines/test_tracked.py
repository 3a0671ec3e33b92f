"""An element that remembers what was asked of it, and says the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from rehost.errors import DamagedInputError
from rehost.report import dropped
from rehost.tracked import UNKNOWN_TO_US, Tracked

DOMAIN = """<domain type='kvm' xmlns:q='urn:qemu'>
  <name> web </name>
  <vcpu placement='static'>4</vcpu>
  <devices>
    <disk device='disk'><source file='a.img'/><shareable/></disk>
    <disk device='cdrom'><readonly/></disk>
    <q:arg value='-snapshot'/>
    <arg/>
  </devices>
  <on>yes</on>
  <!-- nothing -->
</domain>"""


def domain() -> Tracked:
    return Tracked(etree.fromstring(DOMAIN), "vm.xml", namespaces={"q": "urn:qemu"})


def test_elements_and_attributes_are_read_by_paths() -> None:
    node = domain()
    assert node.said("name") == "web"
    assert node.said("@type") == "kvm"
    assert node.integer("vcpu") == 4
    assert node.flag("on") is True
    assert node.said("devices/disk/source/@file") == "a.img"
    assert [disk.said("@device") for disk in node.children("devices/disk")] == ["disk", "cdrom"]
    assert node.said("devices/q:arg/@value") == "-snapshot"
    assert node.said("memory") is None
    assert node.said("devices/none/@file") is None
    assert node.integer("memory") is None
    assert node.flag("memory") is None
    assert node.child("devices/none") is None


def test_the_rest_is_each_thing_nobody_asked_for() -> None:
    node = domain()
    node.said("name")
    node.said("vcpu")
    first = node.children("devices/disk")[0]
    first.ignore("@device")
    first.said("source/@file")
    node.ignore("on", "devices/arg")
    assert node.rest() == [
        dropped("vm.xml:1 domain/@type", "kvm", UNKNOWN_TO_US),
        dropped("vm.xml:3 vcpu/@placement", "static", UNKNOWN_TO_US),
        dropped("vm.xml:5 shareable", None, UNKNOWN_TO_US),
        dropped("vm.xml:6 disk", "device=cdrom", UNKNOWN_TO_US),
    ]


def test_what_was_wholly_read_leaves_no_rest() -> None:
    node = domain()
    node.ignore("name", "vcpu", "devices", "on", "@type")
    assert node.rest() == []
    assert domain().looked_at(domain().element) is False


def test_an_untouched_subtree_is_one_thing() -> None:
    node = domain()
    node.ignore("name", "vcpu", "on", "@type")
    assert node.rest("is not read") == [dropped("vm.xml:4 devices", None, "is not read")]


def test_long_values_are_cut() -> None:
    node = Tracked(etree.fromstring(f"<a><b>{'x ' * 500}</b></a>"), "f")
    [loss] = node.rest()
    assert loss.source is not None
    assert len(loss.source) == 120
    assert loss.source.endswith("…")


WRONG = {
    "need": "x/vm.xml:1: domain lacks memory",
    "integer": "x/vm.xml:1: name is not a whole number ('web')",
    "flag": "x/vm.xml:1: vcpu is neither true nor false ('4')",
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_missing_or_malformed_is_an_error_with_its_line(case: str) -> None:
    node = Tracked(etree.fromstring(DOMAIN), "vm.xml", path="x/vm.xml")
    asked: dict[str, Callable[[], object]] = {
        "need": lambda: node.need("memory"),
        "integer": lambda: node.integer("name"),
        "flag": lambda: node.flag("vcpu"),
    }
    with pytest.raises(DamagedInputError) as caught:
        asked[case]()
    assert str(caught.value) == WRONG[case]


def test_what_an_extension_names_alike_is_not_taken_where_the_document_is_known() -> None:
    text = (
        "<a xmlns='urn:a' xmlns:x='urn:x'><b><x:c>theirs</x:c></b><x:d><x:c>in it</x:c></x:d></a>"
    )
    node = Tracked(etree.fromstring(text), "a.xml", own=("urn:a",), namespaces={"x": "urn:x"})
    assert node.said("b/c") is None
    assert node.said("b/x:c") == "theirs"
    assert node.said("x:d/c") == "in it"
    assert [child.name for child in node.children("*")] == ["b", "d"]
    assert Tracked(etree.fromstring(text), "a.xml").said("b/c") == "theirs"
