"""Every format, option, level and size that is written, by witnesses that are not ours.

Options are those the formats declare: every two choices of different kinds meet in a row, among
them the level and the disk's size, unless the format refuses what they make together. QEMU compares
and checks the image of each row, and 7-Zip, libyal and Python's tarfile read those they can.
"""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from converters.disks.registry import DiskFormat, formats
from tests.support.matrix import (
    EVERY_CLUSTER_OF_A_TERABYTE,
    LIBYAL,
    SIZE,
    Case,
    Disks,
    factors,
    judged,
    libyal_reads,
    objection,
)
from tests.support.outside import has_libyal, libyal_says
from tests.support.pairwise import Pairwise, Rows

SECONDS = 300
WRITTEN = [known for known in formats() if known.create]
NEVER = {
    "raw": set(),
    "xva": set(),
    "vdi": set(),
    "vhdx": set(),
    "vhd": {"beyond 2 TiB"},
    "vmdk": {"0"},
    "qcow2": set(),
}
"""The sizes that a format cannot have, whatever the options."""

HAS_LIBYAL = has_libyal()


def planned(into: DiskFormat, folder: Path) -> Rows:
    """Return the rows of a format; every choice must be in one of them, but for some sizes."""
    folder.mkdir()
    offered = factors(into)
    found = Pairwise(offered, partial(objection, into, folder)).rows()
    used = {name: {row[name] for row in found.rows} for name in offered}
    missing = {name: set(values) - used[name] for name, values in offered.items()}
    assert missing.pop(SIZE) == NEVER.get(into.name, set())
    assert not any(missing.values()), missing
    return found


@pytest.mark.parametrize("into", WRITTEN, ids=lambda into: str(into.name))
def test_every_two_choices_are_written_exactly_or_refused(tmp_path: Path, into: DiskFormat) -> None:
    disks = Disks(tmp_path / "disks")
    found = planned(into, tmp_path / "plan")
    cases = [Case.of(into, row) for row in found.rows]

    def one(number: int) -> list[str]:
        case, folder = cases[number], tmp_path / str(number)
        folder.mkdir()
        wrong = judged(case, disks, folder)
        if not libyal_reads(case):
            shutil.rmtree(folder)
        return [f"{case}: {said}" for said in wrong]

    with ThreadPoolExecutor(2) as pool:
        wrong = [said for each in pool.map(one, range(len(cases))) for said in each]
    assert wrong == []
    if HAS_LIBYAL:
        assert by_libyal(into, cases, tmp_path, disks) == []
    for said in set(found.refused.values()) - {EVERY_CLUSTER_OF_A_TERABYTE}:
        assert re.fullmatch(r"[^\n]{10,120}", said), said


def by_libyal(into: DiskFormat, cases: list[Case], folder: Path, disks: Disks) -> list[str]:
    """Return what libyal's libraries find wrong."""
    asked = [number for number, case in enumerate(cases) if libyal_reads(case)]
    images = []
    for number in asked:
        case = cases[number]
        path = folder / str(number) / f"disk{into.suffixes[0]}"
        images.append((LIBYAL[into.name], path, disks.plain(case.size, case.rounded)))
    said = libyal_says(images) if images else []
    assert len(said) == len(asked)
    return [f"{cases[number]}: {each}" for number, each in zip(asked, said, strict=True) if each]
