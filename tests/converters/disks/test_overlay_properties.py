"""Whatever differs from whatever base: each format that stores differences gives it back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks.image import read
from tests.support.images import KIB, MIB, opened, ours
from tests.support.overlays import overlay

FORMATS: dict[str, list[dict[str, str]]] = {
    "vdi": [{}],
    "vhd": [{"block_size": "524288"}, {"batmap": "on"}],
    "vhdx": [{"block_size": "1048576"}, {"block_size": "2097152"}],
}
SIZES = st.one_of(st.integers(1, 6 * 2048), st.sampled_from([1024, 2048, 4096, 4097])).map(
    lambda sectors: sectors * 512
)
STRETCHES = st.lists(
    st.tuples(st.integers(0, 6 * MIB), st.sampled_from([512, 4096, 40 * KIB, MIB]), st.booleans()),
    max_size=8,
)


def painted(content: bytes, stretches: list[tuple[int, int, bool]], value: int) -> bytes:
    found = bytearray(content)
    for at, length, filled in stretches:
        place = slice(at % len(found) // 512 * 512, at % len(found) // 512 * 512 + length)
        size = len(found[place])
        found[place] = bytes([value if filled else 0]) * size
    return bytes(found)


@pytest.mark.parametrize("name", FORMATS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sizes=st.tuples(SIZES, SIZES), below=STRETCHES, above=STRETCHES, choice=st.integers(0, 1))
def test_what_is_written_above_a_base_is_read_back(
    name: str,
    sizes: tuple[int, int],
    below: list[tuple[int, int, bool]],
    above: list[tuple[int, int, bool]],
    choice: int,
) -> None:
    options = FORMATS[name][choice % len(FORMATS[name])]
    base_content = painted(bytes(sizes[0]), below, 1)
    start = base_content[: sizes[1]].ljust(sizes[1], b"\0")
    content = painted(start, above, 2)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.raw"
        plain.write_bytes(base_content)
        base = ours(opened(plain), Path(folder) / f"base.{name}", name)
        image = opened(overlay(content, base, Path(folder) / f"above.{name}", name, **options))
        assert read(image, 0, image.size) == content
