"""Differencing VHDX: sectors of the child over those of its parents, and what is refused."""

from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks.copy import copy
from converters.disks.gate import FolderGate
from converters.disks.image import chain, read
from converters.disks.output import Output
from converters.disks.registry import open_image
from converters.disks.writer import Place
from rehost.errors import InteropError
from tests.converters.disks.test_vhdx import built, noise, whole, with_libvhdi
from tests.support.images import KIB, MIB, opened, ours
from tests.support.models import Memory
from tests.support.vhdxs import (
    BAT,
    FULL,
    HEADERS,
    METADATA,
    PARTIAL,
    REGIONS,
    UNMAPPED,
    Block,
    Layout,
    LogEntry,
    as_libvhdi_reads,
    put,
    summed,
    with_log,
)
from tests.support.vhdxs import ZERO as ZEROED

SECONDS = 240
GUID = UUID("12121212-3434-5656-7878-9a9a9a9a9a9a")
SIZE = 6 * MIB
PARENT = Layout(
    SIZE,
    {number: Block(FULL, 10 - number, noise(number, MIB)) for number in (0, 1, 2, 3, 5)},
    data_guid=GUID,
)
LOCATOR = {"relative_path": r".\base.vhdx", "parent_linkage": f"{{{GUID}}}"}
SECTORS = noise(77, 256)


def child(sector: int = 512, **changes: object) -> Layout:
    """Return a child with blocks of every kind, its bitmap chosen by chance."""
    bitmap = bytearray(MIB)
    length = MIB // sector // 8
    put(bitmap, 2 * length, SECTORS[:length])
    layout = Layout(
        SIZE,
        {
            1: Block(ZEROED),
            2: Block(PARTIAL, 5, noise(92, MIB)),
            3: Block(FULL, 4, noise(93, MIB)),
            5: Block(UNMAPPED),
        },
        {0: Block(FULL, 6, bytes(bitmap))},
        locator=LOCATOR,
        sectors=(sector, sector),
    )
    return replace(layout, **changes)  # type: ignore[arg-type]


def expected(sector: int = 512) -> bytes:
    """Return what a guest sees of the child over its parent."""
    content = bytearray(b"".join(noise(number, MIB) for number in range(6)))
    put(content, MIB, bytes(MIB))
    put(content, 3 * MIB, noise(93, MIB))
    put(content, 4 * MIB, bytes(2 * MIB))
    for number in range(MIB // sector):
        if SECTORS[number // 8] >> number % 8 & 1:
            part = noise(92, MIB)[number * sector : (number + 1) * sector]
            put(content, 2 * MIB + number * sector, part)
    return bytes(content)


def pair(folder: Path, top: Layout, below: Layout = PARENT) -> Path:
    built(folder, below, "base.vhdx")
    return built(folder, top, "top.vhdx")


@with_libvhdi
@pytest.mark.parametrize("sector", [512, 4096])
def test_a_child_is_read_over_its_parent_as_libvhdi_does(tmp_path: Path, sector: int) -> None:
    path = pair(tmp_path, child(sector), replace(PARENT, sectors=(sector, sector)))
    witness = as_libvhdi_reads(path, tmp_path / "base.vhdx")
    seen = whole(path)
    assert seen == expected(sector)
    # libvhdi asks the parent for what is zero or unmapped in the child; the specification does not.
    assert seen[:MIB] == witness[:MIB]
    assert seen[2 * MIB : 5 * MIB] == witness[2 * MIB : 5 * MIB]


def test_any_request_to_a_child_returns_what_it_should(tmp_path: Path) -> None:
    image, pick, content = opened(pair(tmp_path, child())), Random(8), expected()
    for _ in range(200):
        offset, length = pick.randrange(SIZE), pick.choice((1, 600, 5000, 3 * MIB))
        assert read(image, offset, length) == content[offset : offset + length]
    assert image.facts.variant == "differencing"
    assert image.facts.details["parentLocator"] == LOCATOR
    assert len(chain(image)) == 2


def test_a_child_is_converted(tmp_path: Path) -> None:
    image = opened(pair(tmp_path, child()))
    assert whole(ours(image, tmp_path / "flat.vhdx", "vhdx")) == expected()


def test_a_block_in_the_second_chunk_has_a_bitmap_of_its_own(tmp_path: Path) -> None:
    number = 4096 + 5
    bitmap = bytearray(MIB)
    put(bitmap, 5 * 256, b"\x06")
    blocks = {number: Block(PARTIAL, 4, noise(1, MIB))}
    bitmaps = {1: Block(FULL, 5, bytes(bitmap))}
    path = pair(tmp_path, Layout(5000 * MIB, blocks, bitmaps, locator=LOCATOR))
    found = read(opened(path), number * MIB, MIB)
    assert found == bytes(512) + noise(1, MIB)[512:1536] + bytes(MIB - 1536)


def test_a_chain_of_three_is_read_and_the_second_linkage_counts(tmp_path: Path) -> None:
    built(tmp_path, PARENT, "base.vhdx")
    built(tmp_path, child(), "middle.vhdx")
    linkage = f"{{{child().data_guid}}}"
    names = {"relative_path": "middle.vhdx", "parent_linkage": f"{{{GUID}}}"}
    locator = {**names, "parent_linkage2": linkage.upper()}
    top = Layout(SIZE + MIB, {0: Block(FULL, 4, noise(50, MIB))}, locator=locator)
    assert whole(built(tmp_path, top, "top.vhdx")) == noise(50, MIB) + expected()[MIB:] + bytes(MIB)


def error_of(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        opened(path)
    return caught.value


def test_a_parent_that_was_changed_is_refused(tmp_path: Path) -> None:
    changed = replace(PARENT, data_guid=UUID(int=5))
    error = error_of(pair(tmp_path, child(), changed))
    assert str(error) == (
        f"{tmp_path}/top.vhdx: its parent '.\\\\base.vhdx' was changed, or is another one "
        f"(it has {UUID(int=5)}, should have {LOCATOR['parent_linkage']})"
    )
    assert error.hint == "Find the parent as it was when this disk was made."
    assert error.exit_code == 3
    path = built(tmp_path, child(locator={"relative_path": "base.vhdx"}), "top.vhdx")
    assert str(error_of(path)) == (
        f"{tmp_path}/top.vhdx: its parent 'base.vhdx' was changed, or is another one "
        f"(it has {UUID(int=5)}, should have one that is not said)"
    )


@pytest.mark.parametrize("key", ["absolute_win32_path", "volume_path"])
def test_absolute_paths_are_never_followed(tmp_path: Path, key: str) -> None:
    locator = {key: str(tmp_path / "base.vhdx"), "parent_linkage": f"{{{GUID}}}"}
    error = error_of(pair(tmp_path, child(locator=locator)))
    assert str(error) == f"{tmp_path}/top.vhdx: does not name its parent by a relative path"
    assert error.hint == "Put the parent beside it, then set its path: Set-VHD -ParentPath."
    assert error.exit_code == 6


@pytest.mark.parametrize(
    "name",
    [r"..\base.vhdx", r"a\..\..\b", r"C:\base.vhdx", r"\\server\x", "/etc/passwd", "nbd:x:1"],
)
def test_a_relative_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    locator = {**LOCATOR, "relative_path": name}
    error = error_of(pair(tmp_path, child(locator=locator)))
    assert str(error) == (f"{tmp_path}/top.vhdx: names a file outside its own folder ({name!r})")
    assert error.hint == "A package may only use files beside it; do not trust this one."
    assert error.exit_code == 6


def test_a_child_that_is_its_own_parent_is_damage(tmp_path: Path) -> None:
    path = pair(tmp_path, child(locator={**LOCATOR, "relative_path": "top.vhdx"}))
    assert str(error_of(path)) == f"{path}: the chain of images below it leads to {path} again"


def test_a_parent_in_another_format_is_damage(tmp_path: Path) -> None:
    path = pair(tmp_path, child())
    (tmp_path / "base.vhdx").write_bytes(b"QFI\xfb" + bytes(600))
    found = b"QFI\xfb" + bytes(4)
    assert str(error_of(path)) == f"{tmp_path}/base.vhdx: is no VHDX (it begins {found!r})"


def test_a_locator_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    where = f"{tmp_path}/top.vhdx"
    kind = UUID(int=3)
    error = error_of(pair(tmp_path, child(locator_kind=kind)))
    said = f"the VHDX parent locator is of a type that is not known ({kind})"
    assert (str(error), error.exit_code) == (f"{where}: {said}", 4)
    error = error_of(pair(tmp_path, Layout(MIB, flags=2)))
    said = "the VHDX metadata have no parent locator"
    assert (str(error), error.exit_code) == (f"{where}: {said}", 3)
    raw = child().built()
    at = raw.index(child().data_guid.bytes_le) and raw.index(
        UUID("b04aefb7-d19e-4a81-b789-25b8e9445913").bytes_le
    )
    entry = raw.index(UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le)
    for place, value, said in (
        (at + 18, 9000, "the VHDX parent locator is too small for its entries (9000)"),
        (at + 28, 9000, "a VHDX parent locator entry lies behind its end"),
        (entry + 20, 19, "the VHDX parent locator is cut short (19 bytes)"),
    ):
        content = bytearray(raw)
        struct.pack_into("<H", content, place, value)
        (tmp_path / "top.vhdx").write_bytes(content)
        error = error_of(tmp_path / "top.vhdx")
        assert (str(error), error.hint, error.exit_code) == (f"{where}: {said}", "", 3)


def test_a_partial_block_needs_a_bitmap_of_its_own(tmp_path: Path) -> None:
    where = f"{tmp_path}/top.vhdx"
    error = error_of(pair(tmp_path, child(bitmaps={})))
    assert str(error) == f"{where}: a VHDX block has no sector bitmap (block 2)"
    bitmap = Block(FULL, 6, bytes(MIB - 1))
    error = error_of(pair(tmp_path, child(bitmaps={0: bitmap})))
    assert str(error) == (
        f"{where}: the VHDX is cut short (a VHDX sector bitmap lies at {6 * MIB}, "
        f"the file ends at {7 * MIB - 1})"
    )
    assert error.hint == "Copy the file again."
    error = error_of(pair(tmp_path, child(bitmaps={0: Block(FULL, 2)})))
    said = f"a VHDX sector bitmap lies where something else does (at {2 * MIB})"
    assert str(error) == f"{where}: {said}"


def test_one_damaged_copy_of_a_structure_is_odd_but_read(tmp_path: Path) -> None:
    content = bytearray(PARENT.built())
    content[HEADERS[1] + 100] ^= 1
    put(content, REGIONS[0], b"x")
    path = tmp_path / "odd.vhdx"
    path.write_bytes(content)
    real = summed(bytes(content[HEADERS[1] : HEADERS[1] + 4096]))[4:8]
    said = int.from_bytes(content[HEADERS[1] + 4 : HEADERS[1] + 8], "little")
    should = int.from_bytes(real, "little")
    assert opened(path).facts.oddities == (
        f"{path} at {HEADERS[1]}: the VHDX header's checksum is wrong (is {said:#x}, "
        f"should be {should:#x}); the other copy is used",
        f"{path} at {REGIONS[0]}: no VHDX region table (found b'xegi'); the other copy is used",
    )
    assert len(whole(path)) == SIZE


class Sink:
    """A writer that puts every stretch at the beginning, so that any disk fits."""

    unit = 4096

    def place(self, start: int, length: int) -> list[Place]:
        """Overwrite what came before."""
        del start
        return [Place(0, length)]

    def finish(self) -> None:
        """Do nothing."""


PLACES = st.one_of(
    st.integers(0, 100).map(lambda at: HEADERS[1] + at),
    st.integers(0, 80).map(lambda at: REGIONS[0] + at),
    st.integers(0, 8 * KIB).map(lambda at: MIB + at),
    st.integers(0, 260).map(lambda at: METADATA * MIB + at),
    st.integers(0, 300).map(lambda at: METADATA * MIB + 64 * KIB + at),
    st.integers(0, 60).map(lambda at: BAT * MIB + at),
    st.integers(0, 9 * MIB),
)
VALUES = st.one_of(
    st.integers(0, 255).map(lambda value: bytes([value])),
    st.sampled_from(
        [b"\xff" * 8, b"\xff" * 4, b"\x7f" + b"\xff" * 7, bytes(8), b"\x80" + bytes(7)]
    ),
    st.integers(0, 1 << 44).map(lambda value: struct.pack("<Q", value)),
    st.tuples(st.integers(0, 12), st.integers(0, 7)).map(
        lambda pair: struct.pack("<Q", pair[0] * MIB | pair[1])
    ),
)
LOGGED = with_log(
    child(),
    {0: LogEntry(5, 0, ((4 * MIB, noise(3, 4096)), (5 * MIB, 64 * KIB)), 7 * MIB, 8 * MIB)},
)


@pytest.mark.parametrize("layout", [child(), LOGGED], ids=["closed", "dirty"])
def test_changed_bytes_give_a_result_or_a_named_error(tmp_path: Path, layout: Layout) -> None:
    built(tmp_path, PARENT, "base.vhdx")
    sound = layout.built()

    @settings(
        max_examples=150,
        deadline=8000,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(changes=st.lists(st.tuples(PLACES, VALUES), min_size=1, max_size=5), mend=st.booleans())
    def attempt(changes: list[tuple[int, bytes]], mend: bool) -> None:
        content = bytearray(sound)
        for at, value in changes:
            put(content, at, value)
        if mend:
            _mend(content)
        tracemalloc.start()
        try:
            file = Memory(bytes(content), str(tmp_path / "top.vhdx"))
            image = open_image(file, FolderGate(tmp_path), format="vhdx")
            with Output(tmp_path / "sink") as output:
                copy(image, Sink(), output)
        except InteropError:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 150 * MIB

    attempt()


def _mend(content: bytearray) -> None:
    """Give headers, region tables and the log's first entry the checksums they now need."""
    for at, length in ((HEADERS[0], 4096), (HEADERS[1], 4096), (REGIONS[0], 65536), (MIB, 8192)):
        put(content, at, summed(bytes(content[at : at + length])))


@pytest.mark.parametrize("end", [0, 8, 600, 65 * KIB, 190 * KIB, 200 * KIB, MIB, 2 * MIB, 3 * MIB])
def test_a_file_cut_short_is_damage(tmp_path: Path, end: int) -> None:
    path = pair(tmp_path, child())
    whole_file = path.read_bytes()
    for length in (end, end + 1, end + 4096):
        path.write_bytes(whole_file[:length])
        error = error_of(path)
        assert error.exit_code == 3, (length, str(error))


def test_a_log_full_of_headers_is_judged_at_once() -> None:
    entry = LogEntry(5, 0, (), 0, 0).packed()
    log = bytearray(entry * (MIB // 4096))
    for at in range(0, MIB, 4096):
        struct.pack_into("<I", log, at + 8, MIB)
    layout = replace(LOGGED, locator=None, blocks={}, bitmaps={}, log=bytes(log))
    with pytest.raises(InteropError):
        open_image(Memory(layout.built(), "a.vhdx"), FolderGate(Path("/nowhere")))


def test_a_small_file_cannot_be_an_endless_disk(tmp_path: Path) -> None:
    """Entries that all name one block are found although each is sound by itself."""
    blocks = {number: Block(FULL, 4) for number in range(4000)}
    path = built(tmp_path, Layout(4000 * MIB, blocks, end=5 * MIB))
    said = f"a VHDX block lies where something else does (at {4 * MIB})"
    assert str(error_of(path)) == f"{path}: {said}"
