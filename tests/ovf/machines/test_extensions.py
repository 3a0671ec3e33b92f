"""What vendors add to items, where it is named like a word of the standard."""

from __future__ import annotations

from pathlib import Path

from rehost.report import dropped
from rehost.tracked import UNKNOWN_TO_US
from tests.ovf.builders import descriptor, item, machine_of


def test_a_vendors_word_of_the_same_name_is_not_taken_for_the_standards(tmp_path: Path) -> None:
    theirs = '<x:VirtualQuantity xmlns:x="urn:x">9</x:VirtualQuantity></Item>'
    text = descriptor(item(InstanceID=1, ResourceType=3).replace("</Item>", theirs))
    machine, losses = machine_of(tmp_path, text)
    assert machine.vcpus is None
    assert losses == [dropped("web.ovf:12 x:VirtualQuantity", "9", UNKNOWN_TO_US)]
