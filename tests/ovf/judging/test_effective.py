"""What a configuration makes of the items, for rules that judge each of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ovf.envelope import Envelope
from ovf.judging.effective import MOST_CONFIGURATIONS, Effective, Found, effective, in_each
from ovf.judging.validate import validate
from tests.ovf.builders import beside, descriptor, item

MEMORY: dict[str, Any] = {"InstanceID": 2, "ResourceType": 4}


def options(names: Iterable[str]) -> str:
    words = "<Label/><Description/>"
    inside = "".join(f'<Configuration ovf:id="{name}">{words}</Configuration>' for name in names)
    return f"<DeploymentOptionSection><Info/>{inside}</DeploymentOptionSection>"


def envelope(folder: Path, *items: str, names: Iterable[str] = ()) -> Envelope:
    return beside(folder, descriptor(*items, around=options(names))).envelope


def sizes(found: Envelope) -> dict[tuple[str, ...], list[str]]:
    [alternatives] = effective(found)
    return {
        each.configurations: [device.said["VirtualQuantity"] for device in each.devices]
        for each in alternatives
    }


def test_without_options_there_is_one_machine(tmp_path: Path) -> None:
    found = envelope(tmp_path, item(**MEMORY, VirtualQuantity=1), item(VirtualQuantity=2))
    assert sizes(found) == {(): ["1", "2"]}


def test_a_later_item_overrules_child_by_child(tmp_path: Path) -> None:
    found = envelope(
        tmp_path,
        item(**MEMORY, VirtualQuantity=1, Reservation=1),
        item(more='ovf:configuration="b c"', **MEMORY, VirtualQuantity=2),
        item(more='ovf:configuration="c"', **MEMORY, Limit=3),
        names="abcd",
    )
    assert sizes(found) == {("a", "d"): ["1"], ("b",): ["2"], ("c",): ["2"]}
    last = effective(found)[0][-1].by_instance["2"]
    assert {name: last.said[name] for name in ("VirtualQuantity", "Reservation", "Limit")} == {
        "VirtualQuantity": "2",
        "Reservation": "1",
        "Limit": "3",
    }
    assert len(last.parts) == 3


def test_bounds_are_kept_beside_what_they_bound(tmp_path: Path) -> None:
    found = envelope(
        tmp_path,
        item(**MEMORY, VirtualQuantity=1),
        item(more='ovf:bound="max"', **MEMORY, VirtualQuantity=2),
        item(more='ovf:bound="min" ovf:configuration="a"', **MEMORY, VirtualQuantity=0),
        names="ab",
    )
    [others, only] = effective(found)[0]
    assert [bound.bound for bound in others.bounds] == ["max"]
    assert [bound.bound for bound in only.bounds] == ["max", "min"]
    assert sizes(found) == {("b",): ["1"], ("a",): ["1"]}


def test_an_item_of_an_unknown_option_is_in_no_machine(tmp_path: Path) -> None:
    unknown = item(more='ovf:configuration="x"', **MEMORY, VirtualQuantity=1)
    assert sizes(envelope(tmp_path, unknown, names="a")) == {("a",): []}


def memories(machine: Effective) -> Found:
    for device in machine.devices:
        yield device.written.at, f"has {device.said['VirtualQuantity']}"


def test_what_is_found_names_the_configurations_it_is_found_in(tmp_path: Path) -> None:
    found = envelope(
        tmp_path,
        item(InstanceID=1, ResourceType=4, VirtualQuantity=7),
        item(**MEMORY, VirtualQuantity=1),
        item(more='ovf:configuration="h"', **MEMORY, VirtualQuantity=2),
        names="abcdefgh",
    )
    assert [message for _, message in in_each(found, memories)] == [
        "has 7",
        "has 1 in configurations a, b, c, d, e and others",
        "has 2 in configuration h",
    ]


def test_thousands_of_configurations_are_judged_in_bounded_time(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(4_000)]
    items = (item(more=f'ovf:configuration="{name}"', **MEMORY, Parent=9) for name in names)
    package = beside(tmp_path, descriptor(*items, around=options(names)))
    assert len(effective(package.envelope)[0]) <= MOST_CONFIGURATIONS
    started = time.process_time()
    validate(package, descriptor_only=True)
    assert time.process_time() - started < 5


def test_a_long_chain_of_parents_is_followed_once(tmp_path: Path) -> None:
    items = (item(InstanceID=n, ResourceType=17, Parent=n + 1) for n in range(4_000))
    package = beside(tmp_path, descriptor(*items))
    started = time.process_time()
    validate(package, descriptor_only=True)
    assert time.process_time() - started < 5


def test_many_sections_and_many_configurations_take_no_more_than_their_sum(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(4_000)]
    one = (
        "<VirtualHardwareSection>"
        + item(more='ovf:configuration="c1"')
        + "</VirtualHardwareSection>"
    )
    found = beside(tmp_path, descriptor(sections=one * 4_000, around=options(names))).envelope
    started = time.process_time()
    assert len(effective(found)) == 4_001
    assert time.process_time() - started < 5


def test_the_rules_of_items_hold_for_what_a_collection_gets(tmp_path: Path) -> None:
    allocations = item(InstanceID=1) + item(more='ovf:bound="max"', InstanceID=2, ResourceType=4)
    section = f"<ResourceAllocationSection><Info/>{allocations}</ResourceAllocationSection>"
    around = f'<VirtualSystemCollection ovf:id="all"><Info/>{section}<VirtualSystem '
    text = descriptor().replace("<VirtualSystem ", around)
    text = text.replace("</VirtualSystem>", "</VirtualSystem></VirtualSystemCollection>")
    found = validate(beside(tmp_path, text), descriptor_only=True)
    assert {"ITM-002", "BND-004", "RAS-002"} <= {finding.rule for finding in found}
