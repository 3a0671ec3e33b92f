"""The log of a VHDX: replayed as QEMU replays it, and the file stays as it was."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from converters.disks.formats.vhdx.log import Replayed
from converters.disks.gate import ClosedGate
from converters.disks.image import Stored, Zero, read, resolved
from converters.disks.registry import open_image
from rehost.errors import InteropError
from tests.support.images import KIB, MIB, RAW, Variant, as_raw, create, opened, run
from tests.support.models import Memory
from tests.support.vhdxs import (
    BAT,
    FULL,
    HEADERS,
    LOG,
    Block,
    Layout,
    LogEntry,
    put,
    summed,
    with_log,
)

PAGE = 4096
END = 8 * MIB
REPLAY = "the disk was not closed; its log is replayed while it is read"
ATTACH = "Attach it once where it was made, which repairs it, or copy the file again."


def noise(seed: int, length: int = MIB) -> bytes:
    return Random(seed).randbytes(length)


def table(*entries: int) -> bytes:
    """Return the first sector of a block table."""
    return struct.pack(f"<{len(entries)}Q", *entries).ljust(PAGE, b"\0")


BLOCKS = {0: Block(FULL, 4, noise(4)), 1: Block(FULL, 5, noise(5))}
PLAIN = Layout(4 * MIB, BLOCKS, end=END)
SWAPPED = table(5 * MIB | FULL, 4 * MIB | FULL, 7 * MIB | FULL)
ENTRY = LogEntry(9, 0, ((BAT * MIB, SWAPPED),), END, END)


def image_of(layout: Layout) -> bytes:
    image = open_image(Memory(layout.built(), "a.vhdx"), ClosedGate())
    assert image.facts.oddities == (REPLAY,)
    return read(image, 0, image.size)


def qemu_reads(folder: Path, layout: Layout) -> bytes:
    """Let QEMU replay the log, in a copy, and return what the guest sees then."""
    path = folder / "dirty.vhdx"
    path.write_bytes(layout.built())
    before = path.read_bytes()
    ours = read(opened(path), 0, layout.size)
    assert path.read_bytes() == before
    copy = Path(shutil.copy(path, folder / "copy.vhdx"))
    run("qemu-img", "check", "-r", "all", "-f", "vhdx", copy)
    witness = as_raw(copy, "vhdx").read_bytes()
    assert ours == witness
    return witness


def error_of(layout: Layout) -> InteropError:
    with pytest.raises(InteropError) as caught:
        open_image(Memory(layout.built(), "a.vhdx"), ClosedGate())
    return caught.value


def test_one_entry_is_replayed(tmp_path: Path) -> None:
    seen = qemu_reads(tmp_path, with_log(PLAIN, {0: ENTRY}))
    assert seen == noise(5) + noise(4) + bytes(2 * MIB)
    assert image_of(with_log(PLAIN, {0: ENTRY})) == seen


def test_entries_are_replayed_in_their_order_from_the_tail_on(tmp_path: Path) -> None:
    first = replace(ENTRY, changes=((BAT * MIB, table(4 * MIB | FULL)),))
    second = replace(ENTRY, sequence=10, tail=0)
    third = replace(ENTRY, sequence=11, tail=8 * KIB, changes=((5 * MIB, noise(1, PAGE)),))
    layout = with_log(PLAIN, {0: first, 8 * KIB: second, 16 * KIB: third})
    seen = qemu_reads(tmp_path, layout)
    assert seen == noise(1, PAGE) + noise(5)[PAGE:] + noise(4) + bytes(2 * MIB)


def test_an_entry_over_the_end_of_the_ring_is_replayed(tmp_path: Path) -> None:
    entry = replace(ENTRY, tail=MIB - PAGE)
    assert qemu_reads(tmp_path, with_log(PLAIN, {MIB - PAGE: entry})).startswith(noise(5))


def test_zeros_are_replayed_over_what_was_there_and_under_what_came_later(tmp_path: Path) -> None:
    changes = (
        (4 * MIB, noise(1, PAGE)),
        (4 * MIB, 64 * KIB),
        (4 * MIB + 32 * KIB, 64 * KIB),
        (4 * MIB + 8 * KIB, noise(2, PAGE)),
    )
    layout = with_log(PLAIN, {0: replace(ENTRY, changes=changes)})
    seen = image_of(layout)
    expected = bytearray(noise(4))
    expected[: 96 * KIB] = bytes(96 * KIB)
    expected[8 * KIB : 12 * KIB] = noise(2, PAGE)
    assert seen == bytes(expected) + noise(5) + bytes(2 * MIB)


def test_many_descriptors_take_several_sectors() -> None:
    changes = tuple((4 * MIB + number * PAGE, noise(number, PAGE)) for number in range(200))
    layout = with_log(PLAIN, {0: replace(ENTRY, changes=changes)})
    # QEMU refuses these: it reads every sector of descriptors into the first one's place.
    assert image_of(layout)[: 200 * PAGE] == b"".join(noise(number, PAGE) for number in range(200))


def test_the_newest_sequence_wins_and_others_are_left_alone(tmp_path: Path) -> None:
    old = replace(ENTRY, sequence=3, changes=((BAT * MIB, table()),))
    foreign = replace(ENTRY, sequence=99, guid=UUID(int=5), changes=((BAT * MIB, table()),))
    torn = replace(ENTRY, sequence=20, tail=8 * KIB)
    layout = with_log(PLAIN, {0: old, 8 * KIB: foreign, 64 * KIB: replace(ENTRY, tail=64 * KIB)})
    assert qemu_reads(tmp_path, layout).startswith(noise(5))
    log = bytearray(with_log(layout, {0: old, 32 * KIB: replace(ENTRY, tail=32 * KIB)}).log)
    put(log, 8 * KIB, torn.packed())
    log[12 * KIB + 100] ^= 1
    assert image_of(replace(layout, log=bytes(log))).startswith(noise(5))


def test_an_entry_whose_tail_is_gone_is_no_sequence() -> None:
    entries = {
        0: replace(ENTRY, sequence=50, tail=512 * KIB),
        64 * KIB: replace(ENTRY, tail=64 * KIB),
    }
    assert image_of(with_log(PLAIN, entries)).startswith(noise(5))


def test_a_log_that_qemu_wrote_itself_is_replayed(tmp_path: Path) -> None:
    path = create(tmp_path / "theirs.vhdx", Variant("", "vhdx", "block_size=1M"), 8 * MIB)
    run("qemu-io", "-f", "vhdx", "-c", "write -P 5 3M 64k", path)
    content = bytearray(path.read_bytes())
    entry = max(at for at in range(LOG * MIB, 2 * MIB, PAGE) if content[at : at + 4] == b"loge")
    changed = content.index(b"\6\0\0", BAT * MIB) // 8 * 8
    content[changed : changed + 8] = bytes(8)
    for at in HEADERS:
        header = content[at : at + PAGE]
        header[48:64] = content[entry + 32 : entry + 48]
        put(content, at, summed(bytes(header)))
    path.write_bytes(content)
    seen = read(opened(path), 0, 8 * MIB)
    assert seen == bytes(3 * MIB) + b"\5" * 64 * KIB + bytes(5 * MIB - 64 * KIB)
    run("qemu-img", "check", "-r", "all", "-f", "vhdx", path)
    assert as_raw(path, "vhdx").read_bytes() == seen


def test_a_file_that_the_log_makes_larger_has_zeros_there(tmp_path: Path) -> None:
    grown = table(4 * MIB | FULL, 5 * MIB | FULL, 8 * MIB | FULL)
    entry = replace(ENTRY, changes=((BAT * MIB, grown),))
    # QEMU makes a file larger only where it has to round up to whole MiB.
    layout = with_log(PLAIN, {0: replace(entry, last=9 * MIB - 1)})
    seen = qemu_reads(tmp_path, layout)
    assert seen == noise(4) + noise(5) + bytes(2 * MIB)
    runs = list(resolved(opened(tmp_path / "dirty.vhdx"), 0, 4 * MIB))
    assert all(isinstance(run.source, Zero) for run in runs if run.start >= 2 * MIB)


def test_sectors_laid_over_are_computed_and_others_are_where_they_were(tmp_path: Path) -> None:
    path = create(tmp_path / "plain.raw", RAW, MIB)
    path.write_bytes(noise(1))
    laid = Replayed(opened(path)._file, MIB)  # type: ignore[attr-defined]
    laid.write(8 * KIB, noise(2, PAGE))
    laid.erase(64 * KIB, 8 * KIB)
    laid.settle()
    assert laid.stretches(0, 8 * KIB) is not None
    assert laid.stretches(12 * KIB, 52 * KIB) is not None
    assert laid.stretches(72 * KIB, MIB - 72 * KIB) is not None
    for start, length in ((0, 8 * KIB + 1), (12 * KIB - 1, 1), (64 * KIB, 1), (72 * KIB - 1, 9)):
        assert laid.stretches(start, length) is None
    assert laid.stretches(MIB - 1, 2) is None
    expected = bytearray(noise(1))
    put(expected, 8 * KIB, noise(2, PAGE))
    put(expected, 64 * KIB, bytes(8 * KIB))
    pick = Random(1)
    for _ in range(300):
        start, length = pick.randrange(90 * KIB), pick.randrange(20 * KIB)
        assert laid.pread(start, length) == expected[start : start + length]
    assert laid.pread(MIB, 1) == laid.pread(2 * MIB, 1) == b""


BAD_ENTRIES = {
    "no entry at all": {},
    "another log's": {0: replace(ENTRY, guid=UUID(int=5))},
    "a tail that is gone": {0: replace(ENTRY, tail=PAGE)},
    "the sequence number 0": {0: replace(ENTRY, sequence=0)},
    "an odd place": {0: replace(ENTRY, changes=((100, noise(1, PAGE)),))},
    "an odd length": {0: replace(ENTRY, changes=((BAT * MIB, 100),))},
    "a place beyond all files": {0: replace(ENTRY, changes=((1 << 62, 4096),))},
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_log_without_sound_entries_is_damage(name: str) -> None:
    error = error_of(with_log(PLAIN, BAD_ENTRIES[name]))
    assert (
        str(error) == f"a.vhdx at {MIB}: the VHDX has a log to replay, but no sound entries in it"
    )
    assert (error.hint, error.exit_code) == (ATTACH, 3)


CHANGED = [0, 4, 8, 12, 16, 24, 32, 64, 80, 88, 200, PAGE, PAGE + 4, PAGE + 99, 2 * PAGE - 1]


@pytest.mark.parametrize("at", CHANGED)
def test_an_entry_with_a_changed_byte_is_not_sound(at: int) -> None:
    layout = with_log(PLAIN, {0: ENTRY})
    log = bytearray(layout.log)
    log[at] ^= 1
    assert error_of(replace(layout, log=bytes(log))).hint == ATTACH


@pytest.mark.parametrize("at", [64, 88, PAGE, PAGE + 4, 2 * PAGE - 4])
def test_an_entry_whose_parts_do_not_belong_together_is_not_sound(at: int) -> None:
    raw = bytearray(ENTRY.packed())
    raw[at] ^= 1
    layout = with_log(PLAIN, {0: ENTRY})
    log = summed(bytes(raw)) + layout.log[len(raw) :]
    assert error_of(replace(layout, log=log)).hint == ATTACH


def test_a_file_shorter_than_the_log_knows_is_damage() -> None:
    error = error_of(with_log(PLAIN, {0: replace(ENTRY, flushed=END + 1)}))
    assert str(error) == (
        f"a.vhdx: the VHDX is cut short (its log knows {END + 1} bytes, the file has {END})"
    )
    assert (error.hint, error.exit_code) == ("Copy the file again.", 3)


def test_a_log_that_makes_the_file_absurdly_large_is_damage() -> None:
    error = error_of(with_log(PLAIN, {0: replace(ENTRY, last=1 << 62)}))
    assert str(error) == (
        f"a.vhdx at {MIB}: the VHDX log gives the file an impossible size ({1 << 62} bytes)"
    )
    assert (error.hint, error.exit_code) == ("", 3)


@pytest.mark.parametrize(
    "place", [(MIB + 1, MIB), (0, MIB), (MIB, 0), (MIB, MIB + 4096), (END, MIB), (1 << 63, MIB)]
)
def test_a_log_at_an_impossible_place_is_damage(place: tuple[int, int]) -> None:
    error = error_of(replace(with_log(PLAIN, {0: ENTRY}), log_place=place))
    assert str(error) == (
        f"a.vhdx at {place[0]}: the VHDX log lies at an impossible place ({place[1]} bytes long, "
        f"the file ends at {END})"
    )
    assert (error.hint, error.exit_code) == ("", 3)


def test_a_log_too_large_or_of_another_version_is_not_replayed() -> None:
    layout = replace(with_log(PLAIN, {0: ENTRY}), end=70 * MIB)
    error = error_of(replace(layout, log_place=(20 * MIB, 33 * MIB)))
    assert str(error) == (
        f"a.vhdx at {20 * MIB}: the VHDX log is too large to be replayed "
        f"({33 * MIB} bytes, at most {32 * MIB})"
    )
    assert error.hint == "Attach it once where it was made, which empties the log."
    assert error.exit_code == 4
    error = error_of(replace(layout, versions=(1, 1)))
    assert str(error) == f"a.vhdx at {MIB}: the VHDX log has an unknown version (1)"
    assert (error.hint, error.exit_code) == ("", 4)


def test_an_empty_log_does_no_harm_wherever_it_lies() -> None:
    for place in ((0, 0), (5, 7), (1 << 63, MIB), (END, 33 * MIB)):
        layout = replace(PLAIN, log_place=place)
        image = open_image(Memory(layout.built(), "a.vhdx"), ClosedGate())
        assert read(image, 0, 2 * MIB) == noise(4) + noise(5)
        assert all(isinstance(run.source, Stored | Zero) for run in resolved(image, 0, image.size))
