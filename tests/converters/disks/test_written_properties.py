"""Any content, written in any format with any options, is read back at any place."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks.gate import ClosedGate
from converters.disks.image import read
from converters.disks.registry import DiskFormat, formats, open_image
from rehost.errors import UsageError
from tests.support.images import as_raw, opened, ours
from tests.support.matrix import LEVEL, SIZE, Case, factors, qemu_reads
from tests.support.models import Memory

SECONDS = 240
WRITTEN = [known for known in formats() if known.create]
QEMU = {"vhd": "vpc"}
MOST = 700_000
WRITES = st.lists(
    st.tuples(
        st.integers(0, MOST), st.one_of(st.integers(1, 3000), st.integers(1, 200_000)), st.binary()
    ),
    max_size=6,
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Draw a disk: zeros, with patterns of any length anywhere."""
    size = draw(st.one_of(st.integers(1, 1400), st.just(MOST)).map(lambda count: count * 512))
    size = min(size, MOST // 512 * 512)
    found = bytearray(size)
    for at, length, pattern in draw(WRITES):
        part = (pattern or b"\0" * 9) * (length // max(len(pattern), 9) + 1)
        stop = min(at + length, size)
        found[min(at, size) : stop] = part.ljust(length, b"\1")[: max(0, stop - min(at, size))]
    return bytes(found)


@st.composite
def cases(draw: st.DrawFn, into: DiskFormat, size: int) -> Case:
    """Draw options and a level; half of the options are the defaults."""
    row = {
        name: draw(st.one_of(st.just(values[0]), st.sampled_from(values)))
        for name, values in factors(into).items()
    }
    drawn = Case.of(into, {**row, SIZE: "1 sector", LEVEL: row[LEVEL]})
    return Case(drawn.into, drawn.options, drawn.level, size)


@pytest.mark.parametrize("into", WRITTEN, ids=lambda into: str(into.name))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(content=contents(), data=st.data())
def test_what_is_written_is_read_at_any_place(
    into: DiskFormat, content: bytes, data: st.DataObject
) -> None:
    case = data.draw(cases(into, len(content)))
    requests = data.draw(
        st.lists(st.tuples(st.integers(0, len(content) + 9), st.integers(0, MOST)), max_size=12)
    )
    source = open_image(Memory(content), ClosedGate(), format="raw")
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"disk{into.suffixes[0]}"
        try:
            ours(source, path, into.name, case.level, **case.options)
        except UsageError:
            # Options that exclude each other; the content is still worth writing.
            case = Case(into, {}, None, len(content))
            ours(source, path, into.name)
        image = opened(path, format_name=into.name)
        expected = content.ljust(case.rounded, b"\0")
        assert image.size == len(expected)
        for offset, length in requests:
            assert read(image, offset, length) == expected[offset : offset + length]
        if into.name != "xva" and qemu_reads(case) and "data_file" not in case.options:
            assert as_raw(path, QEMU.get(into.name, into.name)).read_bytes() == expected
