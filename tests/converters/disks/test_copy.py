"""Converting: QEMU's tools find the result identical, sound, and no larger than their own."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from converters.disks.copy import write_image
from converters.disks.image import Facts, Image, Run, read
from converters.disks.registry import Shape, format_named
from converters.disks.writer import Level
from rehost.errors import DamagedInputError, UsageError
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    QCOW2S,
    RAW,
    TIB,
    VMDKS,
    Variant,
    as_raw,
    assert_identical,
    assert_sound,
    create,
    make,
    opened,
    ours,
    run,
    scribble,
    virtual_size,
)

SECONDS = 180
ODD = 7 * MIB + 37 * 512
CLUSTERS = [1 << bits for bits in range(9, 22)]

each_variant = pytest.mark.parametrize("variant", [*VMDKS, *QCOW2S, RAW], ids=str)


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


@each_variant
def test_raw_is_what_qemu_makes_of_it(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, ODD, seed=21)
    expected = as_raw(path, variant.format)
    result = ours(opened(path), tmp_path / "ours.raw", "raw")
    assert result.read_bytes() == expected.read_bytes()
    assert allocated(result) <= allocated(expected)


@each_variant
def test_qcow2_is_identical_and_sound(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, ODD, seed=22)
    result = ours(opened(path), tmp_path / "ours.qcow2", "qcow2")
    assert_sound(result, "qcow2")
    assert_identical(path, variant.format, result, "qcow2")


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("from_clusters", [512, 64 * KIB])
def test_every_cluster_size_is_written(tmp_path: Path, cluster: int, from_clusters: int) -> None:
    variant = Variant("source", "qcow2", f"cluster_size={from_clusters}")
    path = make(tmp_path, variant, ODD, seed=cluster)
    result = ours(opened(path), tmp_path / "ours.qcow2", "qcow2", cluster_size=str(cluster))
    assert_sound(result, "qcow2")
    assert_identical(path, "qcow2", result, "qcow2")
    assert opened(result).facts.details["clusterSize"] == cluster


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("shift", [-512, 0, 512])
def test_sizes_around_a_cluster_and_a_table_are_written(
    tmp_path: Path, cluster: int, shift: int
) -> None:
    table = cluster * (cluster // 8)
    for size in {cluster + shift, min(table, 64 * MIB) + shift}:
        plain = create(tmp_path / f"{size}.raw", RAW, size)
        if size:
            run("qemu-io", "-f", "raw", "-c", f"write -P 1 {size - 512} 512", plain)
            run("qemu-io", "-f", "raw", "-c", "write -P 2 0 512", plain)
        result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", cluster_size=str(cluster))
        assert_sound(result, "qcow2")
        assert_identical(plain, "raw", result, "qcow2")
        back = ours(opened(result), tmp_path / "back.raw", "raw")
        assert back.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 4095, 4097, 65536 + 1, 2 * MIB + 100])
def test_sizes_of_no_whole_sector_are_kept_by_raw_and_rounded_up_by_qcow2(
    tmp_path: Path, size: int
) -> None:
    content = Random(size).randbytes(size)
    plain = tmp_path / "odd.raw"
    plain.write_bytes(content)
    assert ours(opened(plain), tmp_path / "ours.raw", "raw").read_bytes() == content
    result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2")
    assert_sound(result, "qcow2")
    rounded = -(-size // 512) * 512
    assert as_raw(result, "qcow2").read_bytes() == content.ljust(rounded, b"\0")


@pytest.mark.parametrize("variant", [*VMDKS[:1], VMDKS[4]], ids=str)
def test_vmdks_of_no_whole_grain_are_read_to_their_end(tmp_path: Path, variant: Variant) -> None:
    for size in (512, 64 * KIB - 512, 64 * KIB + 512, 32 * MIB + 512):
        plain = create(tmp_path / "plain.raw", RAW, size)
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 {size - 512} 512", plain)
        path = tmp_path / "odd.vmdk"
        option = ["-o", variant.options]
        run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", *option, plain, path)
        assert ours(opened(path), tmp_path / "ours.raw", "raw").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("cluster", [64 * KIB, 2 * MIB])
def test_disks_beyond_two_terabytes_are_written_in_seconds(tmp_path: Path, cluster: int) -> None:
    size = 5 * TIB + 512
    plain = create(tmp_path / "large.raw", RAW, size)
    places = [0, GIB - 512, 2 * TIB - 4 * KIB, 4 * TIB + 12345 * 512, size - 1024]
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "raw", "-c", f"write -P {number} {place} 1024", plain)
    began = time.monotonic()
    result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", cluster_size=str(cluster))
    back = ours(opened(result), tmp_path / "back.raw", "raw")
    assert time.monotonic() - began < 20
    assert_sound(result, "qcow2")
    assert virtual_size(result, "qcow2") == size
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "qcow2", "-c", f"read -P {number} {place} 1024", result)
        with back.open("rb") as file:
            file.seek(place)
            assert file.read(1024) == bytes([number]) * 1024
    assert back.stat().st_size == size
    assert allocated(back) <= 1 * MIB


def test_a_chain_becomes_one_image(tmp_path: Path) -> None:
    base = make(tmp_path, Variant("base", "qcow2"), 3 * MIB + 512, seed=23)
    top = tmp_path / "top.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.name, "-F", "qcow2", top, "5M")
    scribble(top, "qcow2", 5 * MIB, seed=24)
    result = ours(opened(top), tmp_path / "flat.qcow2", "qcow2", cluster_size="4096")
    assert_sound(result, "qcow2")
    assert_identical(top, "qcow2", result, "qcow2")
    assert opened(result).parent is None


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    path = make(tmp_path, VMDKS[4], ODD, seed=25)
    first = ours(opened(path), tmp_path / "first.qcow2", "qcow2")
    second = ours(opened(path), tmp_path / "second.qcow2", "qcow2")
    assert first.read_bytes() == second.read_bytes()


class Counted:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.done = 0

    def start(self, phase: str, total: int) -> None:
        raise AssertionError("phases are the caller's")

    def advance(self, done: int) -> None:
        assert done >= 0
        self.done += done

    def close(self) -> None:
        raise AssertionError("phases are the caller's")


@each_variant
def test_progress_adds_up_to_the_size(tmp_path: Path, variant: Variant) -> None:
    image, counted = opened(make(tmp_path, variant, ODD, seed=26)), Counted()
    write_image(image, tmp_path / "ours.raw", format_named("raw"), Shape(image.size), counted)
    assert counted.done == image.size


def test_a_format_that_is_only_read_is_refused(tmp_path: Path) -> None:
    image = opened(create(tmp_path / "plain.raw", RAW, MIB))
    reading = replace(format_named("vmdk"), create=None)
    with pytest.raises(UsageError) as caught:
        write_image(image, tmp_path / "out.vmdk", reading, Shape(MIB))
    assert str(caught.value) == "VMware VMDK is read, not written"
    assert not (tmp_path / "out.vmdk").exists()


@pytest.mark.parametrize("level", [Level.FAST, Level.DEFAULT, Level.BEST])
def test_a_format_that_is_never_compressed_is_refused_a_level(tmp_path: Path, level: Level) -> None:
    image = opened(create(tmp_path / "plain.raw", RAW, MIB))
    with pytest.raises(UsageError) as caught:
        ours(image, tmp_path / "out.raw", "raw", level)
    assert str(caught.value) == "Raw disk is never compressed"
    assert caught.value.hint == "Pass no level, or none."
    assert not (tmp_path / "out.raw").exists()
    assert ours(image, tmp_path / "out.raw", "raw", Level.NONE).stat().st_size == MIB


def test_clusters_too_small_for_the_disk_are_refused(tmp_path: Path) -> None:
    image = opened(create(tmp_path / "large.raw", RAW, 2 * TIB))
    with pytest.raises(UsageError) as caught:
        ours(image, tmp_path / "ours.qcow2", "qcow2", cluster_size="512")
    assert str(caught.value) == (
        f"a disk of {2 * TIB} bytes is too large for qcow2 with clusters of 512"
    )
    assert caught.value.hint == "Such a qcow2 holds 137438953472 bytes."
    assert caught.value.exit_code == 2


class Failing:
    """A disk whose second half cannot be read."""

    parent = None
    facts = Facts("failing", None, {})

    def __init__(self, inner: Image) -> None:
        self._inner = inner
        self.size = inner.size

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        yield from self._inner.runs(start, self.size // 2)
        raise DamagedInputError("a table is damaged", where="failing.img")


def test_a_failure_in_the_middle_ends_every_thread_and_closes_every_file(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 64 * MIB)
    scribble(plain, "raw", 64 * MIB, seed=27)
    descriptors = open_files()
    threads = threading.active_count()
    for number in range(3):
        image = Failing(opened(plain))
        with pytest.raises(DamagedInputError, match="a table is damaged"):
            ours(image, tmp_path / f"{number}.raw", "raw")
        del image
    assert threading.active_count() == threads
    assert open_files() == descriptors


def test_converting_leaves_no_thread_and_no_file_open(tmp_path: Path) -> None:
    paths = [make(tmp_path, variant, ODD, seed=28) for variant in (*VMDKS, *QCOW2S[:2])]
    descriptors = open_files()
    threads = threading.active_count()
    for path in paths:
        ours(opened(path), tmp_path / "out.raw", "raw")
    assert threading.active_count() == threads
    assert open_files() == descriptors


SLOW = r"""
import sys, time
from functools import partial
from pathlib import Path
from converters.disks.image import Facts, Packed, Run
from rehost.outputs import staged
from tests.support.images import ours
from tests.support.models import Memory, ModelImage

def unpack(stored):
    sys.stdout.write("unpacking\n"); sys.stdout.flush()
    time.sleep(0.2)
    return bytes([1]) * 65536

file = Memory(bytes(1000))
runs = tuple(Run(at, 65536, Packed(file, 0, 1000, unpack)) for at in range(0, 1 << 28, 65536))
with staged(Path(sys.argv[1]) / "disk.raw") as path:
    ours(ModelImage(runs, 1 << 28, None, b""), path, "raw")
"""


def test_an_interruption_ends_every_thread_soon_and_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "unpacking\n"
    assert list(tmp_path.iterdir()) != []
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert said.endswith("KeyboardInterrupt\n")
    assert list(tmp_path.iterdir()) == []


# VmHWM, for ru_maxrss begins at what the process that forked had in memory.
MEASURED = """
import sys, time
from pathlib import Path
from tests.support.images import opened, ours
began = time.monotonic()
ours(opened(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3])
seconds = time.monotonic() - began
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM:")), seconds)
"""


@pytest.mark.parametrize("variant", [RAW, QCOW2S[8], VMDKS[0]], ids=str)
def test_memory_stays_small_and_holes_cost_no_time(tmp_path: Path, variant: Variant) -> None:
    size, piece = 100 * GIB, MIB
    path = create(tmp_path / f"large.{variant.format}", variant, size)
    pick = Random(29)
    places = [pick.randrange(size // piece) * piece for _ in range(300)]
    commands = [word for at in places for word in ("-c", f"write -P {at % 251 + 1} {at} {piece}")]
    run("qemu-io", "-f", variant.format, *commands, path)
    for target in ("raw", "qcow2"):
        result = tmp_path / f"ours.{target}"
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(path), str(result), target],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        peak, seconds = done.stdout.split()
        assert int(peak) * KIB < 200 * MIB
        assert float(seconds) < 30
        image = opened(result)
        for at in places[::10]:
            assert read(image, at, piece) == bytes([at % 251 + 1]) * piece
        result.unlink()
