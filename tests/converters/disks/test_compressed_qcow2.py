"""Compressed qcow2: every level, type and cluster size, as qemu-img checks and reads it."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks import zstandard
from converters.disks.formats.qcow2.counts import Counts
from converters.disks.image import Packed, Stored, read
from converters.disks.writer import Level
from converters.disks.zstandard import require_zstd, unzstd
from rehost.errors import DamagedInputError, EnvironmentFailureError, UnsupportedInputError
from tests.support.images import (
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
)
from tests.support.models import ModelImage, model_images
from tests.support.packages import rehost

SECONDS = 180
ODD = 7 * MIB + 37 * 512
LEVELS = [Level.FAST, Level.DEFAULT, Level.BEST]
TYPES = ["zlib", "zstd"]
CLUSTERS = [1 << bits for bits in range(9, 22)]

each_level = pytest.mark.parametrize("level", LEVELS)
each_type = pytest.mark.parametrize("kind", TYPES)
each_variant = pytest.mark.parametrize("variant", [*VMDKS, QCOW2S[0], QCOW2S[8], RAW], ids=str)


def mixed_disk(path: Path, size: int, seed: int) -> Path:
    """Make a raw disk whose stretches are text, noise or holes, of lengths that fit nothing."""
    pick = Random(seed)
    with path.open("wb") as file:
        file.truncate(size)
        at = 0
        while at < size:
            length = min(pick.randrange(1, 300 * KIB), size - at)
            match pick.choice(("text", "noise", "hole")):
                case "text":
                    file.seek(at)
                    file.write((b"%d little sectors\n" % at * (length // 16 + 1))[:length])
                case "noise":
                    file.seek(at)
                    file.write(pick.randbytes(length))
            at += length
    return path


@each_type
@each_level
@each_variant
def test_qemu_finds_it_identical_and_sound(
    tmp_path: Path, variant: Variant, level: Level, kind: str
) -> None:
    path = make(tmp_path, variant, ODD, seed=61)
    result = ours(opened(path), tmp_path / "ours.qcow2", "qcow2", level, compression_type=kind)
    assert_sound(result, "qcow2")
    assert_identical(path, variant.format, result, "qcow2")
    assert as_raw(result, "qcow2").read_bytes() == read(opened(result), 0, ODD)


@each_type
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_cluster_size_is_written(tmp_path: Path, cluster: int, kind: str) -> None:
    plain = mixed_disk(tmp_path / "plain.raw", ODD, seed=cluster)
    options = {"cluster_size": str(cluster), "compression_type": kind}
    result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", Level.FAST, **options)
    assert_sound(result, "qcow2")
    assert_identical(plain, "raw", result, "qcow2")
    assert ours(opened(result), tmp_path / "back.raw", "raw").read_bytes() == plain.read_bytes()


@each_type
@pytest.mark.parametrize("cluster", [512, 4 * KIB, 64 * KIB, 2 * MIB])
def test_sizes_around_a_cluster_are_written(tmp_path: Path, cluster: int, kind: str) -> None:
    for size in (0, 512, cluster - 512, cluster, cluster + 512, 3 * cluster + 512):
        plain = mixed_disk(tmp_path / f"{size}.raw", size, seed=size)
        options = {"cluster_size": str(cluster), "compression_type": kind}
        result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", Level.FAST, **options)
        assert_sound(result, "qcow2")
        assert as_raw(result, "qcow2").read_bytes() == plain.read_bytes()
        assert read(opened(result), 0, size) == plain.read_bytes()


@pytest.mark.parametrize("size", [1, 511, 513, 64 * KIB + 1])
def test_a_size_of_no_whole_sector_is_rounded_up(tmp_path: Path, size: int) -> None:
    content = Random(size).randbytes(size // 2) + b"a" * (size - size // 2)
    (tmp_path / "odd.raw").write_bytes(content)
    result = ours(opened(tmp_path / "odd.raw"), tmp_path / "ours.qcow2", "qcow2", Level.FAST)
    assert_sound(result, "qcow2")
    rounded = -(-size // 512) * 512
    assert as_raw(result, "qcow2").read_bytes() == content.ljust(rounded, b"\0")


@pytest.mark.parametrize("cluster", [512, 1024])
def test_counts_of_many_blocks_are_right(tmp_path: Path, cluster: int) -> None:
    plain = mixed_disk(tmp_path / "plain.raw", 24 * MIB, seed=62)
    for level in (Level.FAST, Level.NONE):
        options = {"cluster_size": str(cluster)}
        result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", level, **options)
        assert_sound(result, "qcow2")
        assert_identical(plain, "raw", result, "qcow2")


def test_a_disk_beyond_two_terabytes_is_written(tmp_path: Path) -> None:
    size = 5 * TIB + 512
    plain = create(tmp_path / "large.raw", RAW, size)
    places = [0, 2 * TIB - 4 * KIB, 4 * TIB + 12345 * 512, size - 1024]
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "raw", "-c", f"write -P {number} {place} 1024", plain)
    result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", Level.DEFAULT)
    assert_sound(result, "qcow2")
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "qcow2", "-c", f"read -P {number} {place} 1024", result)


@each_type
def test_noise_is_stored_and_text_is_compressed(tmp_path: Path, kind: str) -> None:
    cluster = 64 * KIB
    content = Random(63).randbytes(cluster) + b"text" * (cluster // 4)
    (tmp_path / "plain.raw").write_bytes(content * 4)
    image = opened(tmp_path / "plain.raw")
    result = ours(image, tmp_path / "ours.qcow2", "qcow2", Level.FAST, compression_type=kind)
    sources = [type(found.source) for found in opened(result).runs(0, 8 * cluster)]
    assert sources == [Stored, Packed] * 4
    assert_sound(result, "qcow2")


def test_no_cluster_looks_back_further_than_qemu_remembers(tmp_path: Path) -> None:
    noise = Random(64).randbytes(5000)
    (tmp_path / "plain.raw").write_bytes((noise + b"abc" * 100) * 40)
    for level in LEVELS:
        result = ours(opened(tmp_path / "plain.raw"), tmp_path / "o.qcow2", "qcow2", level)
        image = opened(result)
        stored = [found.source for found in image.runs(0, image.size)]
        assert stored
        for source in stored:
            if isinstance(source, Packed):
                packed = source.file.pread(source.offset, source.length)
                unpacker = zlib.decompressobj(-12)
                pieces = [unpacker.decompress(packed, 100)]
                while not unpacker.eof:
                    pieces.append(unpacker.decompress(unpacker.unconsumed_tail, 100))
                assert len(b"".join(pieces)) == 64 * KIB
        assert_identical(tmp_path / "plain.raw", "raw", result, "qcow2")


@each_level
def test_a_wider_window_makes_it_smaller_and_is_read_by_others(
    tmp_path: Path, level: Level
) -> None:
    noise = Random(64).randbytes(9000)
    plain = tmp_path / "plain.raw"
    plain.write_bytes((noise * 8)[: 64 * KIB] * 8)
    narrow = ours(opened(plain), tmp_path / "narrow.qcow2", "qcow2", level)
    wide = ours(opened(plain), tmp_path / "wide.qcow2", "qcow2", level, deflate_window="32768")
    # isal looks for repeats in what repeats often, and skips noise.
    share = 1 if level is Level.FAST else 0.6
    assert wide.stat().st_size <= narrow.stat().st_size * share
    assert_sound(wide, "qcow2")
    assert_identical(plain, "raw", wide, "qcow2")
    said = subprocess.run(["7zz", "x", "-so", wide], capture_output=True, check=True)
    assert said.stdout == plain.read_bytes()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    plain = mixed_disk(tmp_path / "plain.raw", ODD, seed=65)
    for kind in TYPES:
        first, second = (
            ours(opened(plain), tmp_path / name, "qcow2", Level.FAST, compression_type=kind)
            for name in ("first.qcow2", "second.qcow2")
        )
        assert first.read_bytes() == second.read_bytes()


def test_only_zstd_needs_the_longer_header(tmp_path: Path) -> None:
    plain = mixed_disk(tmp_path / "plain.raw", MIB, seed=66)
    features = {}
    for kind in TYPES:
        path = ours(
            opened(plain), tmp_path / f"{kind}.qcow2", "qcow2", Level.FAST, compression_type=kind
        )
        content = path.read_bytes()
        features[kind] = (*struct.unpack_from(">Q", content, 72), content[103], content[104])
    assert features == {"zlib": (0, 104, 0), "zstd": (8, 112, 1)}


def test_no_level_stores_every_cluster(tmp_path: Path) -> None:
    plain = mixed_disk(tmp_path / "plain.raw", MIB, seed=67)
    silent = ours(opened(plain), tmp_path / "silent.qcow2", "qcow2")
    none = ours(opened(plain), tmp_path / "none.qcow2", "qcow2", Level.NONE)
    assert silent.read_bytes() == none.read_bytes()
    assert not any(isinstance(each.source, Packed) for each in opened(none).runs(0, MIB))


def test_qcowinfo_knows_the_disk(tmp_path: Path) -> None:
    plain = mixed_disk(tmp_path / "plain.raw", MIB, seed=68)
    result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", Level.FAST)
    said = run("qcowinfo", result).stdout
    assert "Format version\t\t: 3" in said
    assert f"({MIB} bytes)" in said


def test_the_command_line_passes_the_level_on(tmp_path: Path) -> None:
    plain = mixed_disk(tmp_path / "plain.raw", MIB, seed=70)
    folder = tmp_path / "ours"
    folder.mkdir()
    for name, level in (("a.qcow2", Level.BEST), ("a.vmdk", Level.FAST), ("b.qcow2", Level.NONE)):
        said = rehost("disk", "convert", plain, tmp_path / name, "--compress", level)
        assert (said.code, said.err) == (0, "")
        expected = ours(opened(plain), folder / name, Path(name).suffix[1:], level)
        assert (tmp_path / name).read_bytes() == expected.read_bytes()
    said = rehost("disk", "convert", plain, tmp_path / "c.raw", "--compress", "fast")
    assert said.code == 2
    assert said.err == "error: Raw disk is never compressed\nhint: Pass no level, or none.\n"


@each_type
def test_what_qemu_compressed_is_read(tmp_path: Path, kind: str) -> None:
    for cluster in (512, 4 * KIB, 64 * KIB, 2 * MIB):
        plain = mixed_disk(tmp_path / "plain.raw", ODD, seed=69)
        path = tmp_path / f"{cluster}.qcow2"
        options = f"cluster_size={cluster},compression_type={kind}"
        formats = ("-f", "raw", "-O", "qcow2", "-o", options)
        run("qemu-img", "convert", "-c", *formats, plain, path)
        assert read(opened(path), 0, ODD) == plain.read_bytes()
        back = ours(opened(path), tmp_path / "back.raw", "raw")
        assert back.read_bytes() == plain.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    image=model_images(),
    cluster=st.sampled_from([512, 4096, 65536]),
    kind=st.sampled_from(TYPES),
)
def test_any_chain_is_found_again(image: ModelImage, cluster: int, kind: str) -> None:
    options = {"cluster_size": str(cluster), "compression_type": kind}
    with TemporaryDirectory() as folder:
        result = ours(image, Path(folder) / "ours.qcow2", "qcow2", Level.FAST, **options)
        rounded = -(-image.size // 512) * 512
        assert read(opened(result), 0, rounded) == image.content.ljust(rounded, b"\0")
        assert_sound(result, "qcow2")


@given(uses=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 700)), max_size=8))
def test_counts_are_given_away_once_and_in_order(uses: list[tuple[int, int]]) -> None:
    counts = Counts(512)
    expected = [0] * 1700
    for first, count in uses:
        counts.add(first, count)
        for cluster in range(first, first + count):
            expected[cluster] += 1
    early = list(counts.settled(600))
    assert all((number + 1) * 256 <= 600 for number, _ in early)
    found = [0] * 2048
    for number, content in (*early, *counts.settled(2048)):
        found[number * 256 : (number + 1) * 256] = struct.unpack(">256H", content)
    assert found[:1700] == expected
    assert list(counts.settled(2048)) == []


def zstd_image(tmp_path: Path) -> tuple[Path, int]:
    """Return an image with one zstd cluster, and where that is."""
    (tmp_path / "plain.raw").write_bytes(b"zstandard" * (MIB // 9))
    image = opened(tmp_path / "plain.raw")
    path = ours(image, tmp_path / "z.qcow2", "qcow2", Level.FAST, compression_type="zstd")
    source = next(iter(opened(path).runs(0, 512))).source
    assert isinstance(source, Packed)
    return path, source.offset


def test_a_damaged_zstd_cluster_names_its_place(tmp_path: Path) -> None:
    path, at = zstd_image(tmp_path)
    content = bytearray(path.read_bytes())
    content[at : at + 4] = b"what"
    path.write_bytes(content)
    with pytest.raises(DamagedInputError) as caught:
        read(opened(path), 0, 512)
    assert str(caught.value) == (
        f"{path} at {at}: a compressed block is damaged (it is no sound zstd frame)"
    )
    assert caught.value.hint == "Copy the file again; what lies there is cut short or was changed."


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    path, _ = zstd_image(tmp_path)
    content = bytearray(path.read_bytes())
    content[104] = 2
    path.write_bytes(content)
    with pytest.raises(UnsupportedInputError) as caught:
        opened(path)
    assert str(caught.value) == f"{path}: the qcow2 compression is not known (type 2)"


def test_a_cluster_of_several_frames_is_read() -> None:
    frames = b"".join(zstandard.compressor(1)(memoryview(bytes([at]) * 100)) for at in range(9))
    expected = b"".join(bytes([at]) * 100 for at in range(9))
    assert unzstd(frames + b"behind", 900, most=1024) == expected
    assert unzstd(frames, 250, most=1024) == expected[:250]
    with pytest.raises(ValueError, match=r"^it does not unpack to 899 bytes or fewer$"):
        unzstd(frames, 899, most=899)
    empty = zstandard.compressor(1)(memoryview(b""))
    assert unzstd(empty * 1000 + frames, 900, most=1024) == b""


def test_a_frame_that_unpacks_to_too_much_or_is_cut_short_is_refused() -> None:
    frame = zstandard.compressor(1)(memoryview(bytes(1 << 24)))
    assert unzstd(frame + b"behind", 512, most=1 << 24) == bytes(512)
    for wrong in (frame[:-1], frame[:3], b""):
        with pytest.raises(ValueError, match=r"^it does not unpack to 16777216 bytes or fewer$"):
            unzstd(wrong, 512, most=1 << 24)
    with pytest.raises(ValueError, match=r"^it does not unpack to 65536 bytes or fewer$"):
        unzstd(frame, 512, most=1 << 16)


def test_without_zstd_it_is_said_what_is_missing() -> None:
    zstandard._library.cache_clear()
    missing = {zstandard.BACKPORT: None, zstandard.BUILT_IN: None}
    with patch.dict(sys.modules, missing), pytest.raises(EnvironmentFailureError) as caught:
        require_zstd()
    assert str(caught.value) == "zstd compression needs backports.zstd, or Python 3.14"
    assert caught.value.hint == "Install it: pip install rehost[zstd]."
    assert caught.value.exit_code == 5
