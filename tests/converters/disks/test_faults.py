"""Broken and hostile images: the right content or a named error, in bounded time and memory."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks.copy import copy
from converters.disks.gate import ClosedGate, FolderGate
from converters.disks.image import read
from converters.disks.output import Output
from converters.disks.registry import format_named, open_image
from converters.disks.writer import Place
from rehost.errors import DamagedInputError, InteropError
from rehost.files import LocalFile
from tests.support.images import (
    KIB,
    MIB,
    QCOW2S,
    RAW,
    VMDKS,
    Variant,
    as_raw,
    create,
    make,
    opened,
    run,
)
from tests.support.models import Memory

SECONDS = 240
ALL = [*VMDKS, QCOW2S[0], QCOW2S[1], QCOW2S[4], QCOW2S[8]]
fuzzing = settings(
    max_examples=250,
    deadline=5000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

each_variant = pytest.mark.parametrize("variant", ALL, ids=str)


class Sink:
    """A writer that puts every stretch at the beginning, so that any disk fits."""

    unit = 4096

    def place(self, start: int, length: int) -> list[Place]:
        """Overwrite what came before."""
        del start
        return [Place(0, length)]

    def finish(self) -> None:
        """Do nothing."""


def drained(image_file: Memory, format_name: str, folder: Path) -> None:
    """Open an image and read all of it, wherever its tables lead."""
    image = open_image(image_file, FolderGate(folder), format=format_name)
    with Output(folder / "sink") as output:
        copy(image, Sink(), output)


@each_variant
def test_a_file_cut_short_is_an_error_or_reads_rightly(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, 2 * MIB + 512, seed=31)
    expected = as_raw(path, variant.format).read_bytes()
    pick = Random(31)
    for victim in sorted(tmp_path.glob(f"*.{variant.format}")):
        whole = victim.read_bytes()
        ends = {0, 1, 3, 4, 71, 72, 511, 512, 513, len(whole) - 1, len(whole) - 512}
        ends |= {pick.randrange(len(whole)) for _ in range(25)}
        for end in sorted(end for end in ends if 0 <= end < len(whole)):
            victim.write_bytes(whole[:end])
            try:
                image = opened(path, format_name=variant.format)
                assert read(image, 0, image.size) == expected, end
            except InteropError as error:
                assert error.exit_code == 3, (end, error)
        victim.write_bytes(whole)


@each_variant
def test_a_file_cut_short_is_never_taken_for_raw(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, MIB, seed=32)
    whole = path.read_bytes()
    for end in (5, 30, 100):
        path.write_bytes(whole[:end])
        with pytest.raises(DamagedInputError):
            opened(path)


def _small(folder: Path, variant: Variant) -> bytes:
    if variant.format == "qcow2":
        plain = make(folder, RAW, MIB, seed=33)
        path = folder / "small.qcow2"
        options = ["-c", "-o", variant.options]
        run("qemu-img", "convert", *options, "-f", "raw", "-O", "qcow2", plain, path)
        run("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 300k", path)
        return path.read_bytes()
    return make(folder, variant, MIB, seed=33).read_bytes()


VALUES = st.one_of(
    st.integers(0, 255).map(lambda value: bytes([value])),
    st.sampled_from(
        [b"\xff" * 8, b"\xff" * 4, b"\x7f" + b"\xff" * 7, b"\0" * 8, b"\x80" + bytes(7)]
    ),
    st.integers(0, 1 << 40).map(lambda value: struct.pack("<Q", value)),
    st.integers(0, 1 << 40).map(lambda value: struct.pack(">Q", value)),
    st.integers(0, 64).map(lambda value: struct.pack("<I", value)),
)
CHANGES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 120), st.integers(0, 2048), st.integers(0, 64 * KIB)), VALUES
    ),
    min_size=1,
    max_size=6,
)
FUZZED = [VMDKS[0], VMDKS[2], VMDKS[4], QCOW2S[0], QCOW2S[1], QCOW2S[4], QCOW2S[8]]


@pytest.mark.parametrize("variant", FUZZED, ids=str)
def test_changed_headers_and_tables_give_a_result_or_a_named_error(
    tmp_path: Path, variant: Variant
) -> None:
    whole = _small(tmp_path, variant)

    @fuzzing
    @given(changes=CHANGES)
    def attempt(changes: list[tuple[int, bytes]]) -> None:
        content = bytearray(whole)
        for at, value in changes:
            content[at : at + len(value)] = value
        tracemalloc.start()
        try:
            drained(Memory(bytes(content), "fuzzed"), variant.format, tmp_path)
        except InteropError as error:
            assert str(error).startswith("fuzzed")
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 64 * MIB

    attempt()


@fuzzing
@given(
    text=st.text(max_size=300), encoding=st.sampled_from(["utf-8", "idna", "punycode", "cp1252"])
)
def test_any_descriptor_gives_a_result_or_a_named_error(text: str, encoding: str) -> None:
    raw = f'# Disk DescriptorFile\nencoding="{encoding}"\n{text}'.encode("utf-8", "surrogatepass")
    with pytest.raises(InteropError):
        open_image(Memory(raw, "fuzzed.vmdk"), ClosedGate())


@pytest.mark.parametrize(
    "filling",
    [b"\n", b" ", b"\t\n", b"a=x" + b" " * 1000 + b"y", b'a="', b"RW 1 ", b"=", b"a", b'"'],
)
def test_a_descriptor_of_a_mebibyte_is_judged_at_once(filling: bytes) -> None:
    raw = b"# Disk DescriptorFile\n" + filling * ((MIB - 100) // len(filling)) + b"x\n"
    tracemalloc.start()
    with pytest.raises(InteropError):
        open_image(Memory(raw, "long.vmdk"), ClosedGate())
    assert tracemalloc.get_traced_memory()[1] < 200 * MIB
    tracemalloc.stop()


def test_a_deflate_bomb_in_a_grain_is_refused_in_little_memory(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, MIB)
    run("qemu-io", "-f", "raw", "-c", "write -P 1 0 64k", plain)
    path = tmp_path / "bomb.vmdk"
    options = ["-o", "subformat=streamOptimized"]
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", *options, plain, path)
    content = path.read_bytes()
    bomb = zlib.compress(bytes(64 * MIB), 9)[: 60 * KIB]
    at = content.index(zlib.compress(b"\1" * 64 * KIB)[:2], 512) - 12
    hostile = bytearray(content.ljust(at + 12 + len(bomb), b"\0"))
    hostile[at : at + 12] = struct.pack("<QI", 0, len(bomb))
    hostile[at + 12 : at + 12 + len(bomb)] = bomb
    tables = content[:at]
    assert tables, "the tables lie in front of the grain"
    tracemalloc.start()
    image = open_image(Memory(bytes(hostile), "bomb.vmdk"), ClosedGate())
    with pytest.raises(DamagedInputError) as caught:
        read(image, 0, 512)
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()
    assert str(caught.value) == (
        f"bomb.vmdk at {at}: a compressed block is damaged "
        "(it does not unpack to 65536 bytes or fewer)"
    )


def test_a_deflate_bomb_in_a_cluster_is_refused_in_little_memory(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 2 * MIB)
    plain.write_bytes(Random(3).randbytes(2 * MIB))
    path = tmp_path / "bomb.qcow2"
    options = ["-c", "-o", "cluster_size=2M"]
    run("qemu-io", "-f", "raw", "-c", "write -P 1 0 1M", plain)
    run("qemu-img", "convert", *options, "-f", "raw", "-O", "qcow2", plain, path)
    content = bytearray(path.read_bytes())
    image = open_image(Memory(bytes(content), "bomb.qcow2"), ClosedGate())
    source = next(image.runs(0, 512)).source
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(bytes(800 * MIB)) + deflate.flush()
    at = source.offset  # type: ignore[union-attr]
    content[at : at + len(bomb)] = bomb
    tracemalloc.start()
    image = open_image(Memory(bytes(content), "bomb.qcow2"), ClosedGate())
    with pytest.raises(DamagedInputError) as caught:
        read(image, 0, 2 * MIB)
    assert str(caught.value) == (
        f"bomb.qcow2 at {at}: a compressed block is damaged "
        f"(it does not unpack to {2 * MIB} bytes or fewer)"
    )
    assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize("changed", [20, -6])
def test_a_changed_grain_is_found_by_its_checksum(tmp_path: Path, changed: int) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 64 * KIB)
    plain.write_bytes(Random(5).randbytes(64 * KIB))
    path = tmp_path / "changed.vmdk"
    options = ["-o", "subformat=streamOptimized"]
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", *options, plain, path)
    source = next(opened(path).runs(0, 512)).source
    at = source.offset  # type: ignore[union-attr]
    content = bytearray(path.read_bytes())
    size = struct.unpack_from("<I", content, at + 8)[0]
    content[at + 12 + changed % size] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedInputError) as caught:
        read(opened(path), 0, 512)
    said = str(caught.value)
    assert said.startswith(f"{path} at {at}: a compressed block is damaged (")
    assert caught.value.hint == "Copy the file again; what lies there is cut short or was changed."


@pytest.mark.parametrize("name", ["vmdk", "qcow2"])
@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 512, b"KDMV", b"QFI\xfb", b"# Disk Desc"])
def test_a_named_format_never_falls_back_to_another(name: str, content: bytes) -> None:
    with pytest.raises(DamagedInputError):
        open_image(Memory(content, "a.img"), ClosedGate(), format=format_named(name).name)


def test_a_file_on_a_sparse_petabyte_is_still_judged_in_time(tmp_path: Path) -> None:
    path = tmp_path / "hole.vmdk"
    path.write_bytes(b"KDMV")
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(InteropError):
        open_image(LocalFile(path), ClosedGate())
