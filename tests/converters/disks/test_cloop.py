"""cloop: read as QEMU reads it, in bounded memory, and refused in words where it is broken."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path
from random import Random

import pytest

from converters.disks.gate import ClosedGate
from converters.disks.health import check_image
from converters.disks.image import Packed, read
from converters.disks.registry import format_of
from rehost.files import LocalFile
from tests.support.cloops import SCRIPT, cloop, cloop_of
from tests.support.images import (
    KIB,
    MIB,
    RAW,
    assert_identical,
    create,
    opened,
    ours,
    run,
    scribble,
)
from tests.support.witnesses import (
    assert_composed,
    assert_reads_like,
    assert_reads_like_qemu,
    error_of,
)

BLOCK = 64 * KIB
SIZE_AT, COUNT_AT, TABLE_AT = 128, 132, 136
SHORT = "The file is cut short; copy it again."


def content(folder: Path, size: int, seed: int) -> Path:
    path = create(folder / "plain.raw", RAW, size)
    scribble(path, "raw", size, seed)
    return path


@pytest.fixture
def sound() -> bytes:
    return cloop(Random(1).randbytes(2 * BLOCK) + bytes(BLOCK), BLOCK)


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def said(content: bytes) -> str:
    return str(error_of(content, "a.cloop", "cloop"))


@pytest.mark.parametrize("level", ["-1", "0", "9"])
def test_an_image_made_by_cloops_own_tool_is_read(tmp_path: Path, level: str) -> None:
    plain = content(tmp_path, 3 * MIB, seed=3)
    path = tmp_path / "a.cloop"
    run("create_compressed_fs", "-q", "-B", "65536", "-L", level, plain, path)
    assert format_of(LocalFile(path)).name == "cloop"
    assert_identical(plain, "raw", path, "cloop")
    assert_reads_like(path, "cloop", plain)


@pytest.mark.parametrize("block", [512, 4 * KIB, MIB, 2 * MIB, 6 * MIB])
def test_blocks_of_any_size_are_read(tmp_path: Path, block: int) -> None:
    plain = content(tmp_path, 3 * MIB + 512, seed=block)
    path = tmp_path / "a.cloop"
    path.write_bytes(cloop(plain.read_bytes(), block))
    assert_reads_like_qemu(path, "cloop")
    assert_identical(path, "cloop", ours(opened(path), tmp_path / "out.raw", "raw"), "raw")


def test_a_large_block_is_several_runs_and_unpacked_once(tmp_path: Path) -> None:
    path = tmp_path / "a.cloop"
    path.write_bytes(cloop(Random(3).randbytes(6 * MIB), 6 * MIB))
    image = opened(path)
    runs = list(image.runs(0, image.size))
    assert [(run.start // MIB, run.length // MIB) for run in runs] == [(0, 2), (2, 2), (4, 2)]
    parts = [run.source.unpack(b"") for run in runs if isinstance(run.source, Packed)]
    assert b"".join(parts) == Random(3).randbytes(6 * MIB)


def test_a_check_finds_the_parts_of_a_block_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.cloop"
    path.write_bytes(cloop(bytes(12 * MIB), 6 * MIB))
    checked = check_image(LocalFile(path), ClosedGate(), format_of(LocalFile(path)), deep=True)
    assert (checked.errors, checked.problems) == (0, ())


CONVERT = """
import sys
from pathlib import Path
from tests.support.images import opened, ours
ours(opened(Path(sys.argv[1])), Path(sys.argv[2]), "qcow2")
said = Path("/proc/self/status").read_text()
print(int(said.split("VmHWM:")[1].split()[0]) >> 10)
"""


def test_the_largest_blocks_stay_within_200_mib(tmp_path: Path) -> None:
    path, block = tmp_path / "a.cloop", 64 * MIB
    path.write_bytes(cloop(Random(5).randbytes(2 * block), block, level=0))
    done = run(sys.executable, "-c", CONVERT, path, tmp_path / "out.qcow2")
    assert int(done.stdout) < 200
    assert_identical(path, "cloop", tmp_path / "out.qcow2", "qcow2")


def test_facts_say_what_the_header_says(tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "a.cloop").write_bytes(sound)
    facts = opened(tmp_path / "a.cloop").facts
    assert (facts.format, facts.variant) == ("cloop", "v2.0")
    assert facts.details == {"blockSize": BLOCK, "blocks": 3}


def test_a_header_is_refused_in_these_words(sound: bytes) -> None:
    assert said(sound[:135]) == (
        "a.cloop: the cloop header is cut short (135 bytes, should be 136)"
    )
    assert said(b"#!/bin/bash\n") == "a.cloop: no cloop header (found b'#!/bin/bash\\n')"
    for size in (0, 511, 1000):
        assert said(patched(sound, SIZE_AT, ">I", size)) == (
            f"a.cloop: the cloop block size is impossible ({size} bytes)"
        )
    old = cloop_of([], 512, script=SCRIPT.replace(b"#V2.0 Format", b"#V1.0 Format"))
    error = error_of(old, "a.cloop", "cloop")
    assert str(error) == "a.cloop: the cloop image has an unknown version ('1.0 Format')"
    assert error.hint == "Unpack it where it was made: extract_compressed_fs."
    assert error.exit_code == 4


def test_a_block_larger_than_memory_should_be_is_refused(sound: bytes) -> None:
    error = error_of(patched(sound, SIZE_AT, ">I", 1 << 31), "a.cloop", "cloop")
    assert str(error) == (
        f"a.cloop: a compressed block is too large ({1 << 31} bytes, "
        f"at most {64 * MIB} are unpacked at once)"
    )
    assert error.hint == "Convert it where it was made, with smaller blocks."
    assert error.exit_code == 4


def test_an_offset_table_of_absurd_size_or_behind_the_end_is_damage(sound: bytes) -> None:
    assert said(patched(sound, COUNT_AT, ">I", (1 << 32) - 1)) == (
        f"a.cloop at 136: the cloop offset table is absurdly large ({1 << 32} entries)"
    )
    assert said(patched(sound, COUNT_AT, ">I", 1 << 20)) == (
        f"a.cloop at 136: the cloop offset table lies behind the end of the file "
        f"({8 * (1 << 20) + 8} bytes are needed, the file ends at {len(sound)})"
    )


def test_offsets_that_do_not_ascend_or_jump_are_damage(sound: bytes) -> None:
    first = 136 + 8 * 4
    for value, length in (
        (first, 0),
        (5, 5 - first),
        (1 << 40, (1 << 40) - first),
        ((1 << 64) - 1, (1 << 62) - first),
    ):
        assert said(patched(sound, TABLE_AT + 8, ">Q", value)) == (
            f"a.cloop at 136: the cloop offset table has a block of an impossible size "
            f"({length} bytes for {BLOCK})"
        )
    assert said(patched(sound, TABLE_AT, ">Q", first - 1)) == (
        f"a.cloop: the cloop blocks begin inside their table (at {first - 1}, "
        f"which ends at {first})"
    )


def test_an_image_cut_short_is_damage(sound: bytes) -> None:
    error = error_of(sound[:-1], "a.cloop", "cloop")
    last = struct.unpack_from(">Q", sound, TABLE_AT + 16)[0]
    assert str(error) == (
        f"a.cloop at {last}: a compressed block lies behind the end of the file "
        f"(which is at {len(sound) - 1})"
    )
    assert error.hint == SHORT


@pytest.mark.parametrize("block", [BLOCK, 3 * MIB])
def test_blocks_that_are_none_too_short_or_bombs_are_damage(block: int) -> None:
    at = 136 + 16
    cannot = f"(it does not unpack to {block} bytes or fewer)"
    noise = cloop_of([b"no zlib"], block)
    assert said(noise) == f"a.cloop at {at}: a compressed block is damaged {cannot}"
    bomb = cloop_of([zlib.compress(bytes(block + 1))], block)
    assert said(bomb) == f"a.cloop at {at}: a compressed block is damaged {cannot}"
    short = said(cloop_of([zlib.compress(bytes(block - 1))], block))
    if block == BLOCK:
        assert short == (
            f"a.cloop at {at}: a compressed block has the wrong size "
            f"({block - 1} bytes, should be {block})"
        )
    else:
        assert short == (
            f"a.cloop at {at}: a compressed block is damaged "
            f"(it unpacks to {block - 1} bytes, should be {block})"
        )


def test_a_shell_script_is_no_cloop(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"#!/bin/sh\n#Version 2\n".ljust(512, b"\n"))
    assert format_of(LocalFile(path)).name == "raw"
    assert read(opened(path), 0, 2) == b"#!"


def test_mutations_are_read_or_refused(sound: bytes) -> None:
    assert_composed(sound, "cloop", seed=1, tables=range(124, 170))
