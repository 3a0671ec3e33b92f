"""Checking VHD, VHDX and VDI: images of qemu-img's, one structure of each damaged."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from converters.disks.checking import Checked, Lost
from converters.disks.gate import ClosedGate
from converters.disks.health import check_image
from converters.disks.registry import format_named
from rehost.errors import InteropError
from rehost.files import LocalFile
from tests.support.images import KIB, MIB, Variant, assert_identical, create, run, scribble
from tests.support.packages import rehost
from tests.support.vhdxs import BAT, FULL, LOG, Block, Layout, LogEntry, summed, with_log

SIZE = 64 * MIB
OURS = {"vhd": "vpc"}
Raw = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Blocks:
    """A format with a table of blocks: where entry 0 lies, how it is packed, what a block needs."""

    format: str
    block: int
    entry: str
    at: Callable[[Raw], int]
    step: int
    empty: int
    unit: int = 1

    def __str__(self) -> str:
        return self.format

    def get(self, raw: bytearray, number: int) -> int:
        """Return an entry."""
        width = struct.calcsize(self.entry)
        return int(struct.unpack_from(self.entry, raw, self.at(raw) + number * width)[0])

    def put(self, raw: bytearray, number: int, value: int) -> None:
        """Change an entry."""
        width = struct.calcsize(self.entry)
        struct.pack_into(self.entry, raw, self.at(raw) + number * width, value)


def _word(layout: str, at: int) -> Callable[[Raw], int]:
    return lambda raw: int(struct.unpack_from(layout, raw, at)[0])


def _bat(raw: Raw) -> int:
    """Find the block table in the first region table."""
    for at in range(192 * KIB + 16, 192 * KIB + 16 + 64, 32):
        if raw[at : at + 4] == bytes.fromhex("6677c22d"):
            return int(struct.unpack_from("<Q", raw, at + 16)[0])
    raise AssertionError("no block table")


VHD = Blocks("vhd", 2 * MIB, ">I", _word(">Q", 512 + 16), 2 * MIB + 512, 0xFFFF_FFFF, 512)
VDI = Blocks("vdi", MIB, "<I", _word("<I", 340), MIB, 0xFFFF_FFFF)
VHDX = Blocks("vhdx", 8 * MIB, "<Q", _bat, 8 * MIB, 0)
ALL = (VHD, VDI, VHDX)
each = pytest.mark.parametrize("blocks", ALL, ids=str)


def made(folder: Path, blocks: Blocks, *commands: str) -> Path:
    """Make an image with two blocks of data, the later one first."""
    name = OURS.get(blocks.format, blocks.format)
    path = create(folder / f"a.{blocks.format}", Variant("x", name), SIZE)
    writes = commands or (f"write -P 9 {3 * blocks.block} 64k", "write -P 7 0 64k")
    run("qemu-io", "-f", name, *(word for each in writes for word in ("-c", each)), path)
    return path


def checked(path: Path) -> Checked:
    known = format_named(path.suffix[1:])
    return check_image(LocalFile(path), ClosedGate(), known)


def told(path: Path) -> list[str]:
    return [
        f"{problem.severity.name}: {str(problem).removeprefix(f'{path}')}"
        for problem in checked(path).problems
    ]


@each
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sound_image_is_sound(tmp_path: Path, blocks: Blocks, seed: int) -> None:
    path = made(tmp_path, blocks)
    scribble(path, OURS.get(blocks.format, blocks.format), SIZE - MIB, seed)
    found = checked(path)
    assert (found.problems, found.lost) == ((), ())
    assert found.usage.unit == blocks.block


@each
def test_blocks_are_counted(tmp_path: Path, blocks: Blocks) -> None:
    usage = checked(made(tmp_path, blocks)).usage
    assert (usage.allocated, usage.fragmented) == (2, 1)
    assert usage.leaked_bytes == 0


@each
def test_one_place_for_two_blocks_loses_both(tmp_path: Path, blocks: Blocks) -> None:
    path = made(tmp_path, blocks)
    raw = bytearray(path.read_bytes())
    blocks.put(raw, 1, blocks.get(raw, 0))
    path.write_bytes(raw)
    said = told(path)
    assert said[0].endswith(f": {blocks.step} bytes are used twice")
    found = checked(path)
    assert found.lost == (Lost(0, 2 * blocks.block, "something else is stored in the same place"),)
    copy = tmp_path / f"copy.{blocks.format}"
    assert rehost("disk", "check", path, "--repair", copy).code == 6
    assert rehost("disk", "check", path, "--repair", copy, "--accept-loss").code == 0
    name = OURS.get(blocks.format, blocks.format)
    run("qemu-io", "-f", name, "-c", f"read -P 0 0 {2 * blocks.block}", copy)
    done = run("qemu-io", "-f", name, "-c", f"read -P 9 {3 * blocks.block} 64k", copy)
    assert "verification failed" not in done.stdout
    assert rehost("disk", "check", copy).code == 0


@each
def test_a_block_behind_the_end_is_lost(tmp_path: Path, blocks: Blocks) -> None:
    path = made(tmp_path, blocks)
    raw = bytearray(path.read_bytes())
    far = 1 << 40 if blocks is VHDX else (1 << 30)
    blocks.put(raw, 0, far | 6 if blocks is VHDX else far)
    path.write_bytes(raw)
    data_at = struct.unpack_from("<I", raw, 344)[0]
    place = {"vhd": far * 512, "vdi": far * MIB + data_at, "vhdx": far}[blocks.format]
    assert told(path)[0] == (
        f"ERROR:  at {place}: a {blocks.format.upper()} block lies behind the end of the file "
        "(block 0)"
    )
    assert checked(path).lost == (Lost(0, blocks.block, "it lies behind the end of the file"),)


@each
def test_a_block_that_nothing_names_is_unreachable(tmp_path: Path, blocks: Blocks) -> None:
    path = made(tmp_path, blocks)
    raw = bytearray(path.read_bytes())
    blocks.put(raw, 3, blocks.empty)
    path.write_bytes(raw)
    said = [line for line in told(path) if "used by nothing" in line]
    assert len(said) == 1
    assert said[0].startswith("WARNING: ")
    assert checked(path).usage.leaked_bytes >= blocks.block
    copy = tmp_path / f"copy.{blocks.format}"
    assert rehost("disk", "check", path, "--repair", copy).code == 0
    name = OURS.get(blocks.format, blocks.format)
    assert_identical(path, name, copy, name)
    assert checked(copy).problems == ()


def test_a_vdi_that_counts_wrongly_is_told_of(tmp_path: Path) -> None:
    path = made(tmp_path, VDI)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, 388, 17)
    path.write_bytes(raw)
    assert told(path) == ["ERROR:  at 0: the header counts 17 blocks, the map 2"]
    done = run("qemu-img", "check", "--output=json", path, check=False)
    assert json.loads(done.stdout)["corruptions"] == 1


@pytest.mark.parametrize("at", [0, -512], ids=["copy", "footer"])
def test_a_vhd_with_a_damaged_footer_is_repaired(tmp_path: Path, at: int) -> None:
    path = made(tmp_path, VHD)
    raw = bytearray(path.read_bytes())
    raw[at + 90] ^= 1
    end = len(raw) - 512
    damaged = tmp_path / "damaged.vhd"
    damaged.write_bytes(raw)
    assert told(damaged) == [
        f"ERROR:  at {end}: the footer is damaged or missing; its copy at the beginning was used"
        if at
        else f"ERROR:  at {end}: the footer's copy at the beginning is not the same"
    ]
    copy = tmp_path / "copy.vhd"
    assert rehost("disk", "check", damaged, "--repair", copy).code == 0
    assert_identical(path, "vpc", copy, "vpc")
    assert checked(copy).problems == ()


def test_a_suspended_machine_is_told_of(tmp_path: Path) -> None:
    path = made(tmp_path, VHD)
    raw = bytearray(path.read_bytes())
    for at in (0, len(raw) - 512):
        raw[at + 84] = 1
        raw[at + 64 : at + 68] = bytes(4)
        struct.pack_into(">I", raw, at + 64, ~sum(raw[at : at + 512]) & 0xFFFF_FFFF)
    path.write_bytes(raw)
    assert told(path) == ["WARNING: : a machine was suspended with this disk"]


def test_a_fixed_vhd_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    run("qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed", path, "4M")
    assert checked(path).problems == ()
    copy = tmp_path / "copy.vhd"
    assert rehost("disk", "check", path, "--repair", copy).code == 0
    assert copy.stat().st_size == path.stat().st_size


def with_batmap(path: Path, bits: bytes, *, checksum: int | None = None) -> Path:
    """Give a VHD the map of full blocks that XenServer writes, behind everything else."""
    raw = bytearray(path.read_bytes())
    table_at, blocks = struct.unpack_from(">QxxxxI", raw, 512 + 16)
    header_at = -(-(table_at + blocks * 4) // 512) * 512
    footer = bytes(raw[-512:])
    shift = 4096
    for number in range(blocks):
        sector = VHD.get(raw, number)
        if sector != VHD.empty:
            VHD.put(raw, number, sector + shift // 512)
    content = bits.ljust(512, b"\0")
    real = ~sum(content) & 0xFFFF_FFFF if checksum is None else checksum
    batmap = struct.pack(">8sQIII", b"tdbatmap", header_at + 512, 1, 0x10002, real).ljust(
        512, b"\0"
    )
    body = bytes(raw[header_at:-512])
    path.write_bytes(raw[:header_at] + (batmap + content).ljust(shift, b"\0") + body + footer)
    return path


def test_a_batmap_that_agrees_is_sound(tmp_path: Path) -> None:
    path = with_batmap(made(tmp_path, VHD, "write -P 7 0 2M"), b"\x80")
    assert told(path) == []


def test_a_copy_keeps_the_batmap(tmp_path: Path) -> None:
    path = made(tmp_path, VHD, "write -P 7 0 4M")
    first, second = tmp_path / "b.vhd", tmp_path / "c.vhd"
    assert rehost("disk", "convert", path, first, "-o", "batmap=on").code == 0
    assert told(first) == []
    assert rehost("disk", "check", first, "--repair", second).code == 0
    assert second.read_bytes() == first.read_bytes()


def test_a_batmap_that_calls_a_block_full_which_is_not_is_told_of(tmp_path: Path) -> None:
    path = with_batmap(made(tmp_path, VHD, "write -P 7 0 64k"), b"\xc0")
    raw = bytearray(path.read_bytes())
    at = VHD.get(raw, 0) * 512
    raw[at + 5] = 0
    path.write_bytes(raw)
    assert told(path) == [
        f"ERROR:  at {at}: the batmap calls a block full whose bitmap does not (block 0)",
        "ERROR:  at 0: the batmap calls a block full whose bitmap does not (block 1)",
    ]


def test_a_batmap_with_a_wrong_checksum_is_told_of(tmp_path: Path) -> None:
    path = with_batmap(made(tmp_path, VHD), b"\x80", checksum=5)
    [said] = told(path)
    assert said.endswith("the batmap's checksum is wrong (is 0x5, should be 0xffffff7f)")


@pytest.mark.parametrize("at", [64 * KIB, 128 * KIB, 192 * KIB, 256 * KIB])
def test_a_broken_copy_of_a_vhdx_structure_is_told_of(tmp_path: Path, at: int) -> None:
    path = made(tmp_path, VHDX)
    raw = bytearray(path.read_bytes())
    raw[at + 40] ^= 1
    path.write_bytes(raw)
    [said] = told(path)
    what = "header" if at < 192 * KIB else "region table"
    assert said.startswith(f"ERROR:  at {at}: the VHDX {what}'s checksum is wrong (is 0x")
    assert said.endswith("); there is another one")


def test_region_tables_that_differ_are_told_of(tmp_path: Path) -> None:
    path = made(tmp_path, VHDX)
    raw = bytearray(path.read_bytes())
    at = 256 * KIB
    raw[at + 64 * KIB - 1] ^= 1
    raw[at : at + 64 * KIB] = summed(bytes(raw[at : at + 64 * KIB]))
    path.write_bytes(raw)
    assert told(path) == [f"ERROR:  at {at}: the two region tables are not the same"]


def test_an_impossible_state_of_a_vhdx_block_is_told_of(tmp_path: Path) -> None:
    path = made(tmp_path, VHDX)
    raw = bytearray(path.read_bytes())
    VHDX.put(raw, 0, VHDX.get(raw, 0) - 6 + 4)
    path.write_bytes(raw)
    assert told(path)[0] == (
        f"ERROR:  at {_bat(raw)}: a block has an impossible state (block 0, state 4)"
    )
    assert checked(path).lost == (Lost(0, 8 * MIB, "its state is impossible"),)
    copy = tmp_path / "copy.vhdx"
    assert rehost("disk", "check", path, "--repair", copy, "--accept-loss").code == 0
    run("qemu-img", "check", "-f", "vhdx", copy)


def table(*entries: int) -> bytes:
    """Return the first sector of a VHDX block table."""
    return struct.pack(f"<{len(entries)}Q", *entries).ljust(4096, b"\0")


def logged(path: Path, *entries: int) -> Path:
    """Make a VHDX of two blocks whose log has another block table to replay."""
    blocks = {number: Block(FULL, 4 + number, Random(number).randbytes(MIB)) for number in (0, 1)}
    layout = Layout(4 * MIB, blocks, end=8 * MIB)
    entry = LogEntry(9, 0, ((BAT * MIB, table(*entries)),), 8 * MIB, 8 * MIB)
    path.write_bytes(with_log(layout, {0: entry}).built())
    return path


def test_a_log_is_replayed_into_the_copy(tmp_path: Path) -> None:
    path = logged(tmp_path / "a.vhdx", 5 * MIB | FULL, 4 * MIB | FULL)
    assert told(path)[0] == (
        f"WARNING:  at {LOG * MIB}: the disk was not closed: "
        "its log holds changes that are not written yet"
    )
    assert checked(path).errors == 0
    copy = tmp_path / "copy.vhdx"
    assert rehost("disk", "check", path, "--repair", copy).code == 0
    assert told(copy) == []
    content = [Random(number).randbytes(MIB) for number in (1, 0)]
    plain = tmp_path / "plain.raw"
    run("qemu-img", "convert", "-f", "vhdx", "-O", "raw", copy, plain)
    assert plain.read_bytes() == b"".join(content) + bytes(2 * MIB)


def test_what_a_log_breaks_is_refused(tmp_path: Path) -> None:
    path = logged(tmp_path / "a.vhdx", 5 * MIB | FULL, 5 * MIB | FULL)
    with pytest.raises(InteropError) as caught:
        checked(path)
    assert str(caught.value) == (
        f"{path}: the VHDX was not closed, and blocks that its log changed cannot be known "
        "(problems: 1)"
    )
    assert caught.value.hint == (
        "Attach it once where it was made, which replays the log, and check it again."
    )


@each
def test_any_bytes_are_an_error_or_a_verdict(tmp_path: Path, blocks: Blocks) -> None:
    path = made(tmp_path, blocks)
    sound, pick = path.read_bytes(), Random(7)
    table = blocks.at(sound)
    places = [0, 0, 512, table, table, len(sound) - 512]
    if blocks is VHDX:
        places = [64 * KIB, 192 * KIB, 2 * MIB, 2 * MIB + 64 * KIB, table, table]
    for _ in range(25):
        changed = bytearray(sound)
        for _ in range(pick.randrange(1, 6)):
            changed[pick.choice(places) + pick.randrange(200)] = pick.randrange(256)
        path.write_bytes(changed)
        try:
            found = checked(path)
        except InteropError:
            continue
        assert sum(problem.count for problem in found.problems) <= sum(found.found.values())
