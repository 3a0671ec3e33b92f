"""Tables: cut into stretches as a plain loop would, and bounded before they are read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.disks import tables
from converters.disks.tables import ABSENT, PACKED, ZEROED, check_unshared, read_table, stretches
from rehost.errors import DamagedInputError
from tests.support.models import Memory

POSITIONS = st.lists(st.sampled_from([ABSENT, ZEROED, PACKED, 0, 512, 1024, 1536, 4096]))


def expected(positions: list[int], step: int) -> list[tuple[int, int, int]]:
    """Cut a table entry by entry."""
    found: list[tuple[int, int, int]] = []
    for number, position in enumerate(positions):
        before = positions[number - 1] if number else None
        joins = before is not None and (
            (before == position and before in {ABSENT, ZEROED})
            or (before >= 0 and position == before + step)
        )
        if joins:
            first, count, at = found.pop()
            found.append((first, count + 1, at))
        else:
            found.append((number, 1, position))
    return found


@given(
    positions=POSITIONS, step=st.sampled_from([0, 512]), at_once=st.sampled_from([1, 2, 3, 1000])
)
def test_stretches_are_those_of_a_loop_entry_by_entry(
    positions: list[int], step: int, at_once: int
) -> None:
    table = np.array(positions, dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "AT_ONCE", at_once)
        assert list(stretches(table, step)) == expected(positions, step)


def test_an_absurdly_large_table_is_refused_before_anything_is_read() -> None:
    with pytest.raises(DamagedInputError) as caught:
        read_table(Memory(b"", "a.img"), 512, 1 << 60, "<u4", "grain directory")
    assert str(caught.value) == (
        f"a.img at 512: the grain directory is absurdly large ({1 << 60} entries)"
    )


def test_a_table_behind_the_end_is_refused() -> None:
    with pytest.raises(DamagedInputError) as caught:
        read_table(Memory(bytes(1000), "a.img"), 998, 1, ">u8", "qcow2 L1 table")
    assert str(caught.value) == (
        "a.img at 998: the qcow2 L1 table lies behind the end of the file (8 bytes are needed, "
        "the file ends at 1000)"
    )
    assert caught.value.hint == "The file is cut short; copy it again."
    assert caught.value.exit_code == 3


def test_a_table_named_twice_is_refused_and_none_is_not() -> None:
    check_unshared(np.array([0, 0, 512, 1024, 0], dtype=np.int64), "grain table", "a.vmdk")
    with pytest.raises(DamagedInputError) as caught:
        check_unshared(np.array([512, 0, 512], dtype=np.int64), "grain table", "a.vmdk")
    assert str(caught.value) == "a.vmdk: a grain table is used twice (at 512)"
