"""Which controller a place is on: its Address decides where every one has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovf.edit.controllers import free_place
from ovf.edit.draft import Draft
from tests.ovf.builders import beside, descriptor, item


@pytest.mark.parametrize(
    ("addresses", "number", "instance"),
    [
        ((1,), 1, "3"),
        ((1,), 0, "4"),
        ((2, 0), 2, "3"),
        ((2, 0), 0, "4"),
        ((0, 0), 1, "4"),
        ((None, None), 1, "4"),
    ],
)
def test_an_address_decides_which_controller_is_meant(
    tmp_path: Path, addresses: tuple[int | None, ...], number: int, instance: str
) -> None:
    said = ("" if each is None else f"<rasd:Address>{each}</rasd:Address>" for each in addresses)
    controllers = [
        item(InstanceID=3 + at, ResourceType=6).replace("<rasd:", f"{each}<rasd:", 1)
        for at, each in enumerate(said)
    ]
    draft = Draft.of(beside(tmp_path, descriptor(*controllers)))
    assert free_place(draft, None, "scsi", (number, 5)) == (instance, 5)
