"""The neutral machine: a value, whose properties have names that losses use."""

from __future__ import annotations

import dataclasses
from typing import get_type_hints

import msgspec
import pytest

from rehost import machine as model
from rehost.machine import (
    Address,
    Bus,
    Disk,
    Firmware,
    Machine,
    Nic,
    NicModel,
    Origin,
    Topology,
    properties,
)

RECORDS = [
    value
    for value in vars(model).values()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
]
WEB = Machine(
    name="web",
    origin=Origin("vmx", "web.vmx"),
    memory=1 << 30,
    topology=Topology(1, 2),
    firmware=Firmware.BIOS,
    secure_boot=False,
    disks=(Disk(address=Address(Bus.SCSI, 0, 1), file="web.vmdk"), Disk()),
    nics=(Nic(model=NicModel.E1000, connected=True),),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_part_is_a_frozen_value_with_a_docstring(record: type) -> None:
    parameters = record.__dataclass_params__  # type: ignore[attr-defined]
    assert parameters.frozen
    assert "__slots__" in vars(record)
    assert record.__doc__
    assert not record.__doc__.startswith(f"{record.__name__}(")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_part_can_be_a_key(record: type) -> None:
    hints = get_type_hints(record)
    assert not [
        name for name, kind in hints.items() if str(kind).startswith(("list", "dict", "set"))
    ]


def test_properties_name_what_is_said_and_leave_silence_out() -> None:
    assert dict(properties(WEB)) == {
        "name": "web",
        "origin.format": "vmx",
        "origin.file": "web.vmx",
        "memory": 1 << 30,
        "topology.sockets": 1,
        "topology.cores": 2,
        "topology.threads": 1,
        "firmware": Firmware.BIOS,
        "secure_boot": False,
        "disks[0]": WEB.disks[0],
        "disks[0].address": Address(Bus.SCSI, 0, 1),
        "disks[0].file": "web.vmdk",
        "disks[1]": Disk(),
        "nics[0]": WEB.nics[0],
        "nics[0].model": NicModel.E1000,
        "nics[0].connected": True,
    }


def test_a_machine_survives_json() -> None:
    text = msgspec.json.encode(WEB)
    assert msgspec.json.decode(text, type=Machine) == WEB


def test_equal_machines_are_one_key() -> None:
    assert len({WEB, dataclasses.replace(WEB), dataclasses.replace(WEB, name="db")}) == 2
