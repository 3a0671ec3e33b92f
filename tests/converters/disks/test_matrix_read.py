"""Every kind of image that qemu-img makes, written to by qemu-io in random order, as QEMU reads it.

Every two choices among qemu-img's options meet in an image, unless qemu-img refuses them. Each is
read at 240 random places, and our check must agree with QEMU's.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.support.matrix_read import KINDS, Kind, factors, judged, objection
from tests.support.pairwise import Pairwise

SECONDS = 300


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_every_image_of_qemu_is_read_as_qemu_reads_it(tmp_path: Path, kind: Kind) -> None:
    plan = tmp_path / "plan"
    plan.mkdir()
    found = Pairwise(factors(kind), partial(objection, kind, plan)).rows()
    used = {name: {row[name] for row in found.rows} for name in factors(kind)}
    assert {name: set(values) for name, values in factors(kind).items()} == used

    def one(number: int) -> list[str]:
        folder, row = tmp_path / str(number), found.rows[number]
        folder.mkdir()
        wrong = judged(kind, row, folder, seed=number)
        shutil.rmtree(folder)
        return [f"{row}: {said}" for said in wrong]

    with ThreadPoolExecutor(2) as pool:
        wrong = [said for each in pool.map(one, range(len(found.rows))) for said in each]
    assert wrong == []
