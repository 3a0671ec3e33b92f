"""What a HostResource names, in every spelling that is read."""

from __future__ import annotations

import pytest

from ovf.backing import Backing, backing_of, is_of_package

SPELLED = {
    "ovf:/disk/a/b": Backing("disk", "a/b"),
    "ovf:/file/f": Backing("file", "f"),
    " /disk/d ": Backing("disk", "d"),
    "ovf://disk/d": Backing("disk", "d"),
    "ovf:disk/d": Backing("disk", "d"),
    "ovf:/disk/": None,
    "ovf:/disks/d": None,
    "OVF:/disk/d": None,
    "/dev/cdrom": None,
    "": None,
}


@pytest.mark.parametrize("text", SPELLED)
def test_a_resource_is_read_in_one_way(text: str) -> None:
    assert backing_of(text) == SPELLED[text]


def test_what_begins_with_ovf_is_meant_for_the_package() -> None:
    assert [is_of_package(text) for text in SPELLED] == [True] * 8 + [False] * 2
