"""Dirty bitmaps: read as QEMU keeps them, written so that QEMU finds the same bits."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.disks import bitmaps as bits
from converters.disks.bitmaps import Bitmap, bitmaps_of, dropped, edges_of
from converters.disks.copy import write_image
from converters.disks.formats.qcow2 import FORMAT
from converters.disks.formats.qcow2 import bitmaps as directory
from converters.disks.image import read
from converters.disks.registry import Shape, formats
from rehost.errors import InteropError, UnsupportedInputError
from tests.support.images import KIB, MIB, Variant, assert_sound, create, opened, run

SIZE = 40 * MIB + 512
EXTENSION = struct.pack(">I", 0x23852875)
Stretches = list[tuple[int, int]]


def tracked(path: Path, options: str = "", size: int = SIZE) -> Path:
    """Make an image with bitmaps of several kinds, and write to it in between."""
    create(path, Variant("tracked", "qcow2", options), size)
    pick = Random(7)
    for name, asked in (
        ("coarse", ("-g", "1M")),
        ("plain", ()),
        ("fine", ("-g", "512")),
        ("asleep", ("--disable",)),
    ):
        run("qemu-img", "bitmap", "--add", *asked, path, name)
        commands: list[str] = []
        for _ in range(8):
            start = pick.randrange(size // 512) * 512
            length = min(pick.choice((512, 70 * KIB, 3 * MIB)), size - start)
            commands += ["-c", f"write -P 7 {start} {length}"]
        run("qemu-io", "-f", "qcow2", *commands, path)
    return path


@contextmanager
def served(path: Path, name: str) -> Iterator[str]:
    """Let qemu-nbd show one bitmap of an image; yield what qemu-img calls it."""
    socket = path.with_suffix(".socket")
    argv = ["qemu-nbd", "-r", "-t", "-f", "qcow2", "-B", name, f"--socket={socket}", str(path)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as server:
        try:
            for _ in range(500):
                if socket.exists():
                    break
                time.sleep(0.02)
            context = f"x-dirty-bitmap=qemu:dirty-bitmap:{name}"
            yield f"driver=nbd,server.type=unix,server.path={socket},{context}"
        finally:
            server.terminate()


def as_qemu(path: Path, name: str) -> Stretches:
    """Return what QEMU says is dirty: its map calls that a stretch without data."""
    with served(path, name) as options:
        said = run("qemu-img", "map", "--output=json", "--image-opts", options).stdout
    found: Stretches = []
    for each in json.loads(said):
        if each["data"]:
            continue
        if found and sum(found[-1]) == each["start"]:
            found[-1] = (found[-1][0], found[-1][1] + each["length"])
            continue
        found.append((each["start"], each["length"]))
    return found


def runs_of(bitmap: Bitmap, size: int = SIZE) -> Stretches:
    return [(start, min(start + length, size) - start) for start, length in bitmap.runs()]


def written(source: Path, target: Path, kept: tuple[Bitmap, ...] = (), **options: str) -> Path:
    image = opened(source)
    write_image(image, target, FORMAT, Shape(image.size, options, bitmaps=kept))
    return target


@pytest.mark.parametrize("options", ["", "cluster_size=512", "cluster_size=2097152"])
def test_bitmaps_are_read_as_qemu_keeps_them(tmp_path: Path, options: str) -> None:
    path = tracked(tmp_path / "a.qcow2", options)
    found = {each.name: each for each in bitmaps_of(opened(path))}
    assert {name: each.enabled for name, each in found.items()} == {
        "coarse": True,
        "plain": True,
        "fine": True,
        "asleep": False,
    }
    for name in ("coarse", "plain", "fine"):
        assert runs_of(found[name]) == as_qemu(path, name)
    assert runs_of(found["asleep"]) == []


def test_facts_list_them(tmp_path: Path) -> None:
    path = tracked(tmp_path / "a.qcow2")
    told = opened(path).facts.details["bitmaps"]
    assert isinstance(told, list)
    assert [(each["name"], each["granularity"], each["flags"]) for each in told] == [
        ("coarse", MIB, ["auto"]),
        ("plain", 64 * KIB, ["auto"]),
        ("fine", 512, ["auto"]),
        ("asleep", 64 * KIB, []),
    ]
    by_qemu = {name: sum(each[1] for each in as_qemu(path, name)) for name in ("coarse", "fine")}
    marked = {each["name"]: each["dirty"] for each in told}
    assert (marked["coarse"], marked["fine"]) == (by_qemu["coarse"], by_qemu["fine"])
    assert marked["asleep"] == 0


@pytest.mark.parametrize("options", [{}, {"cluster_size": "512"}, {"extended_l2": "on"}])
def test_a_conversion_to_qcow2_keeps_them(tmp_path: Path, options: dict[str, str]) -> None:
    source = tracked(tmp_path / "a.qcow2")
    kept = bitmaps_of(opened(source))
    path = written(source, tmp_path / "b.qcow2", kept, **options)
    assert_sound(path, "qcow2")
    said = json.loads(run("qemu-img", "info", "--output=json", path).stdout)
    listed = said["format-specific"]["data"]["bitmaps"]
    assert [(each["name"], each["granularity"], each["flags"]) for each in listed] == [
        (each.name, each.granularity, ["auto"] if each.enabled else []) for each in kept
    ]
    for bitmap in kept[:3]:
        assert as_qemu(path, bitmap.name) == runs_of(bitmap)
    assert read(opened(path), 0, SIZE) == read(opened(source), 0, SIZE)
    assert dropped(opened(source), kept) == []
    for before, after in zip(kept, bitmaps_of(opened(path)), strict=True):
        assert (before.name, before.edges.tolist()) == (after.name, after.edges.tolist())


def test_a_bitmap_full_or_empty_takes_no_clusters(tmp_path: Path) -> None:
    create(tmp_path / "plain.qcow2", Variant("plain", "qcow2"), SIZE)
    every = Bitmap("every", 512, True, np.array([0, SIZE // 512]))
    none = Bitmap("none", 512, False, np.array([], dtype=np.int64))
    path = written(
        tmp_path / "plain.qcow2", tmp_path / "a.qcow2", (every, none), cluster_size="512"
    )
    assert_sound(path, "qcow2")
    assert as_qemu(path, "every") == [(0, SIZE)]
    assert as_qemu(path, "none") == []
    bare = written(tmp_path / "plain.qcow2", tmp_path / "b.qcow2", cluster_size="512")
    assert path.stat().st_size < bare.stat().st_size + 5 * KIB


def test_a_bitmap_of_a_larger_disk_is_cut(tmp_path: Path) -> None:
    create(tmp_path / "plain.qcow2", Variant("plain", "qcow2"), MIB)
    wide = Bitmap("wide", 4096, True, np.array([0, 1, 200, 900, 1000, 1001]))
    path = written(tmp_path / "plain.qcow2", tmp_path / "a.qcow2", (wide,))
    assert_sound(path, "qcow2")
    assert as_qemu(path, "wide") == [(0, 4096), (200 * 4096, MIB - 200 * 4096)]


def test_only_qcow2_of_version_3_keeps_them(tmp_path: Path) -> None:
    keeping = [each.name for each in formats() if each.keeps_bitmaps]
    assert keeping == ["qcow2"]
    path = tracked(tmp_path / "a.qcow2")
    with pytest.raises(InteropError) as caught:
        written(path, tmp_path / "b.qcow2", bitmaps_of(opened(path))[:2], compat="0.10")
    assert str(caught.value) == (
        "qcow2 with compat=0.10 keeps no dirty bitmaps (there are: coarse, plain)"
    )
    assert caught.value.hint == "Leave compat=0.10 away."
    assert dropped(opened(path), ()) == ["coarse", "plain", "fine", "asleep"]
    assert dropped(object(), ()) == []


def patched(path: Path, at: int, layout: str, value: int) -> Path:
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, at, value)
    path.write_bytes(content)
    return path


def directory_of(path: Path) -> int:
    content = path.read_bytes()
    return int(struct.unpack_from(">Q", content, content.index(EXTENSION) + 24)[0])


def test_bitmaps_nobody_can_rely_on_are_listed_and_dropped(tmp_path: Path) -> None:
    path = tracked(tmp_path / "a.qcow2")
    patched(path, directory_of(path) + 12, ">I", 3)
    image = opened(path)
    told = image.facts.details["bitmaps"]
    assert isinstance(told, list)
    assert (told[0]["flags"], told[0]["dirty"]) == (["in-use", "auto"], None)
    kept = bitmaps_of(image)
    assert [each.name for each in kept] == ["plain", "fine", "asleep"]
    assert dropped(image, kept) == ["coarse"]


def test_bitmaps_that_were_not_kept_up_to_date_are_told(tmp_path: Path) -> None:
    path = patched(tracked(tmp_path / "a.qcow2"), 88, ">Q", 0)
    image = opened(path)
    assert image.facts.oddities == (
        "Its bitmaps are out of date: it was written to by something that does not know them.",
    )
    assert bitmaps_of(image) == ()
    assert dropped(image, ()) == ["coarse", "plain", "fine", "asleep"]


def refusal(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        bitmaps_of(opened(path))
    return caught.value


def test_directories_and_tables_are_bounded(tmp_path: Path) -> None:
    path = tracked(tmp_path / "a.qcow2")
    content, at = path.read_bytes(), directory_of(path)
    fields = content.index(EXTENSION) + 8
    size = struct.unpack_from(">Q", content, fields + 8)[0]
    table = struct.unpack_from(">Q", content, at)[0]
    for place, layout, value, where, said in (
        (
            fields,
            ">I",
            0,
            at,
            f"the qcow2 bitmap directory is impossible (0 bitmaps in {size} bytes)",
        ),
        (
            *(fields + 8, ">Q", 1 << 40, at),
            f"the qcow2 bitmap directory is impossible (4 bitmaps in {1 << 40} bytes)",
        ),
        (
            *(fields + 16, ">Q", 1 << 50, 1 << 50),
            "the qcow2 bitmap directory lies behind the end of the file",
        ),
        (fields, ">I", 5, at + size, "the qcow2 bitmap directory is cut short"),
        (at + 20, ">I", 1 << 31, at, "the qcow2 bitmap directory is cut short"),
        (
            *(at + 17, ">B", 64, at),
            "a qcow2 bitmap is impossible (granularity 2^64, a name of 6 bytes)",
        ),
        (
            *(at + 8, ">I", 0, table),
            "the table of the qcow2 bitmap 'coarse' is too small (0 entries, should be 1)",
        ),
        (
            *(at, ">Q", 1 << 50, 1 << 50),
            "the table of a qcow2 bitmap lies behind the end of the file (8 bytes are needed, the "
            f"file ends at {len(content)})",
        ),
        (
            *(table, ">Q", 1 << 50, 1 << 50),
            "the qcow2 bitmap's data lies behind the end of the file (65536 bytes are needed, the "
            f"file ends at {len(content)})",
        ),
    ):
        path.write_bytes(content)
        assert str(refusal(patched(path, place, layout, value))) == f"{path} at {where}: {said}"
    path.write_bytes(content)
    patched(path, fields - 4, ">I", 16)
    assert str(refusal(path)).startswith(
        f"{path}: the qcow2 header extension 0x23852875 is cut short (16 bytes, should be 24)"
    )


def test_bitmaps_that_share_clusters_are_damage(tmp_path: Path) -> None:
    path = tracked(tmp_path / "a.qcow2")
    content, at = path.read_bytes(), directory_of(path)
    table = struct.unpack_from(">Q", content, at)[0]
    second = at + 24 + 8
    shared = struct.unpack_from(">Q", content, struct.unpack_from(">Q", content, second)[0])[0]
    assert shared
    patched(path, table, ">Q", shared)
    assert str(refusal(path)) == f"{path}: a cluster of qcow2 bitmaps is used twice (at {shared})"
    patched(path, table, ">Q", shared + 512)
    assert str(refusal(path)) == (
        f"{path} at {table}: a cluster of the qcow2 bitmap 'coarse' lies at an odd place "
        f"({shared + 512})"
    )


def test_tables_of_bitmaps_are_bounded_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tracked(tmp_path / "a.qcow2")
    monkeypatch.setattr(directory, "MOST_ENTRIES", 3)
    assert str(refusal(path)) == (
        f"{path}: the tables of the qcow2 bitmaps are absurdly large (4 entries)"
    )


def test_a_bitmap_too_fragmented_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bits, "MOST_EDGES", 100)
    alternating = np.tile(np.array([0, 1], dtype=np.uint8), 200)
    with pytest.raises(UnsupportedInputError) as caught:
        edges_of([(0, alternating)], 400, "a.qcow2")
    assert str(caught.value) == "a.qcow2: a bitmap is too fragmented (more than 50 runs)"


@given(
    pieces=st.lists(
        st.one_of(
            st.tuples(st.booleans(), st.integers(1, 20)),
            st.lists(st.integers(0, 1), min_size=1, max_size=20),
        ),
        max_size=8,
    ),
    cut=st.integers(0, 30),
)
def test_edges_are_where_bits_turn(pieces: list[tuple[bool, int] | list[int]], cut: int) -> None:
    plain: list[int] = []
    given_pieces: list[tuple[int, np.ndarray[tuple[int], np.dtype[np.uint8]] | bool]] = []
    for piece in pieces:
        if isinstance(piece, tuple):
            given_pieces.append((len(plain), piece[0]))
            plain += [int(piece[0])] * piece[1]
        else:
            given_pieces.append((len(plain), np.array(piece, dtype=np.uint8)))
            plain += piece
    count = max(0, len(plain) - cut)
    edges = edges_of(given_pieces, count, "")
    found = [0] * count
    for first, length in Bitmap("any", 1, True, edges).runs():
        found[first : first + length] = [1] * length
    assert found == plain[:count]
