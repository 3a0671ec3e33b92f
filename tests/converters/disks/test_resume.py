"""Copies that are killed at any moment, and go on from there."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from random import Random

import msgspec
import pytest

from converters.disks.journal import Journal, Placed, Record
from rehost.outputs import STAGING
from tests.support.images import MIB, assert_identical, ours
from tests.support.images import opened as opened_image
from tests.support.packages import rehost

SECONDS = 300
KILLS = 13
SIZE = 96 * MIB
DRIVER = """
import sys
from dataclasses import replace
from converters.disks import crew
from converters.disks.conversion import carry_out, orders
from rehost.progress import SILENT

source, dest, kind, level, resume = sys.argv[1:]
crew.WATCH_SECONDS = 0.01
asked = {"options": (), "level": level or None, "force": False, "resume": resume == "yes",
         "on_read_error": "stop", "target": kind, "into": None}
[order] = orders((source,), dest, asked)
transfer = replace(order.transfer, note_seconds=0.01)
print("begun", flush=True)
carry_out([replace(order, transfer=transfer)], SILENT)
"""


def mixed(path: Path, seed: int) -> Path:
    """Write a disk of text, noise and holes that takes a while to pack."""
    pick = Random(seed)
    words = [pick.randbytes(pick.randrange(3, 9)).hex() for _ in range(2000)]
    with path.open("wb") as file:
        file.truncate(SIZE)
        for start in range(0, SIZE, MIB):
            if pick.random() < 0.7:
                text = " ".join(pick.choice(words) for _ in range(60_000)).encode()
                file.seek(start)
                file.write(text[: MIB // 2].ljust(MIB // 2, b".") + pick.randbytes(MIB // 3))
    return path


def driver(*arguments: str | Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", DRIVER, *(str(each) for each in arguments)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def await_notes(process: subprocess.Popen[str], staging: Path) -> None:
    """Wait until a copy has noted some of what it wrote, before it is through."""
    journal = staging / "journal"
    while not journal.exists() or journal.stat().st_size < 2000:
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("kind", "level"), [("vmdk", "best"), ("qcow2", "best"), ("vhdx", ""), ("raw", "")]
)
def test_a_copy_killed_at_any_moment_is_resumed_to_the_same_bytes(
    tmp_path: Path, kind: str, level: str
) -> None:
    source = mixed(tmp_path / "disk.raw", seed=7)
    whole = tmp_path / "whole" / f"copy.{kind}"  # a VMDK holds its own name
    whole.parent.mkdir()
    with driver(source, whole, kind, level, "no") as process:
        began = time.monotonic()
        assert process.wait() == 0
    lasts = time.monotonic() - began
    dest = tmp_path / f"copy.{kind}"
    pick = Random(11)
    for number in range(KILLS):
        with driver(source, dest, kind, level, "no" if number == 0 else "yes") as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pick.random() * lasts / 3)
            process.send_signal(signal.SIGKILL)
        if dest.exists():
            break
    if not dest.exists():
        assert (tmp_path / f"{STAGING}-{dest.name}").is_dir()
        with driver(source, dest, kind, level, "yes") as process:
            assert process.wait() == 0
    assert not list(tmp_path.glob(f"{STAGING}*"))
    assert dest.read_bytes() == whole.read_bytes()
    assert_identical(source, "raw", dest, kind)


def test_what_is_resumed_is_not_copied_again(tmp_path: Path) -> None:
    source = mixed(tmp_path / "disk.raw", seed=8)
    dest = tmp_path / "copy.vmdk"
    staging = tmp_path / f"{STAGING}-copy.vmdk"
    with driver(source, dest, "vmdk", "best", "yes") as process:
        await_notes(process, staging)
        process.send_signal(signal.SIGTERM)
    assert process.returncode != 0
    records = list(_records(staging))
    assert 0 < records[-1].stop < SIZE
    with source.open("r+b") as file:  # a change that nobody can see by the file's times
        before = source.stat()
        file.write(b"\xff" * 4096)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    with driver(source, dest, "vmdk", "best", "yes") as process:
        assert process.wait() == 0
    said = rehost("disk", "compare", source, dest)
    assert said.out.startswith("different from byte 0 on")


def _records(staging: Path) -> list[Record]:
    about = _about(staging / "journal")
    return list(Journal(staging / "journal", about).past())


def _about(path: Path) -> str:
    content = path.read_bytes()
    length = int.from_bytes(content[:4], "little")
    return content[8 : 8 + length].decode()


def test_a_source_that_changed_is_copied_from_the_beginning(tmp_path: Path) -> None:
    source = mixed(tmp_path / "disk.raw", seed=9)
    dest = tmp_path / "copy.qcow2"
    staging = tmp_path / f"{STAGING}-copy.qcow2"
    with driver(source, dest, "qcow2", "best", "yes") as process:
        await_notes(process, staging)
        process.kill()
    with source.open("r+b") as file:
        file.write(b"\xff" * 4096)
    with driver(source, dest, "qcow2", "best", "yes") as process:
        assert process.wait() == 0
    assert_identical(source, "raw", dest, "qcow2")


def test_without_resume_nothing_is_left_of_an_interrupted_copy(tmp_path: Path) -> None:
    source = mixed(tmp_path / "disk.raw", seed=10)
    with driver(source, tmp_path / "copy.vmdk", "vmdk", "best", "no") as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
    assert process.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["disk.raw"]


def noted(tmp_path: Path) -> tuple[Path, list[Record]]:
    path = tmp_path / "journal"
    records = [Record(at * MIB, [Placed(at, at * 3, 7)], []) for at in range(1, 20)]
    journal = Journal(path, "this copy", seconds=0.0)
    journal.begin(anew=True)
    for number in reversed(range(len(records))):
        journal.written(number, records[number])
    journal.watch([])
    journal.close([])
    return path, records


def test_a_journal_holds_what_was_written_without_a_gap(tmp_path: Path) -> None:
    path, records = noted(tmp_path)
    assert list(Journal(path, "this copy").past()) == records
    assert list(Journal(path, "another copy").past()) == []
    journal = Journal(path, "this copy", seconds=0.0)
    journal.begin(anew=False)
    journal.written(1, records[1])
    journal.watch([])
    assert list(Journal(path, "this copy").past()) == records
    journal.written(0, records[0])
    journal.watch([])
    journal.close([])
    assert list(Journal(path, "this copy").past()) == [*records, *records[:2]]


def test_a_journal_cut_short_or_changed_is_right_up_to_there(tmp_path: Path) -> None:
    path, records = noted(tmp_path)
    content = path.read_bytes()
    pick = Random(3)
    for _ in range(300):
        at = pick.randrange(len(content))
        damaged = bytearray(content[: pick.choice((at, len(content)))])
        if at < len(damaged):
            damaged[at] ^= 1 << pick.randrange(8)
        path.write_bytes(damaged)
        found = list(Journal(path, "this copy").past())
        assert found == records[: len(found)]
        assert len(found) < len(records)


def test_going_on_behind_a_damaged_end_overwrites_it(tmp_path: Path) -> None:
    path, records = noted(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    journal = Journal(path, "this copy", seconds=0.0)
    assert list(journal.past()) == records[:-1]
    journal.begin(anew=False)
    journal.written(0, records[-1])
    journal.watch([])
    journal.close([])
    assert list(Journal(path, "this copy").past()) == records


def test_a_file_that_is_not_what_the_journal_noted_is_told(tmp_path: Path) -> None:
    source = mixed(tmp_path / "disk.raw", seed=12)
    dest = tmp_path / "copy.vmdk"
    staging = tmp_path / f"{STAGING}-copy.vmdk"
    with driver(source, dest, "vmdk", "best", "yes") as process:
        await_notes(process, staging)
        process.kill()
    with (staging / dest.name).open("r+b") as file:
        file.truncate(100_000)
    said = rehost("disk", "convert", source, dest, "--compress", "best", "--resume")
    assert (said.code, said.err) == (
        7,
        "error: copy.vmdk: what an interrupted run left is not what it noted\n"
        "hint: Run again without --resume, to begin anew.\n",
    )
    assert rehost("disk", "convert", source, dest, "--compress", "best").code == 0
    assert_identical(source, "raw", dest, "vmdk")


def test_an_image_made_by_the_library_needs_no_journal(tmp_path: Path) -> None:
    source = mixed(tmp_path / "disk.raw", seed=13)
    ours(opened_image(source), tmp_path / "out.raw", "raw")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.raw", "out.raw"]


def test_a_frame_that_is_whole_but_says_nothing_ends_the_journal(tmp_path: Path) -> None:
    record = Record(1 << 20, [Placed(0, 4096, 512)], [])
    whole = msgspec.msgpack.encode(record)
    frames = [b"about", whole, whole[:-1], whole]
    path = tmp_path / "journal"
    packed = [struct.pack("<II", len(each), zlib.crc32(each)) + each for each in frames]
    path.write_bytes(b"".join(packed))
    journal = Journal(path, "about")
    assert list(journal.past()) == [record]
    journal.begin(anew=False)
    journal.close([])
    assert path.read_bytes() == b"".join(packed[:2])
