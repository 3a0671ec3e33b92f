"""Every format, damaged in every place: cut anywhere, any number of a header replaced by any other.

What is left gives what it gave before, or an error; in little memory and time, whatever it claims.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from converters.disks.gate import ClosedGate, Gate
from converters.disks.image import Packed, read
from converters.disks.registry import open_image
from converters.disks.zstandard import compressor
from rehost.errors import InteropError
from rehost.files import File, LocalFile
from tests.fuzz.attempts import OneGate
from tests.fuzz.bounds import bounded
from tests.fuzz.targets import TARGETS
from tests.support import dmgs, vdis, vhds, vhdxs, vmdks
from tests.support.attacks import qcow, qcow2, qed
from tests.support.images import KIB, MIB, run
from tests.support.models import Memory

SECONDS = 120
FORMATS = (
    "qcow",
    "qcow2",
    "qed",
    "vmdk",
    "vhd",
    "vdi",
    "parallels",
    "xva",
    "bochs",
    "cloop",
    "dmg",
)
MOST_CUTS = 120
NUMBERS = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Return small images of each format, with all that they can hold."""
    return {name: TARGETS[name](tmp_path_factory.mktemp(name)).seeds for name in FORMATS}


def content_of(content: bytes, format_name: str, below: bytes) -> bytes | None:
    """Return what a guest reads, or nothing where that is refused, or doubt is told."""
    try:
        image = open_image(Memory(content, "cut"), OneGate(below), format=format_name)
        # An archive may end where any member does; then this is all that can be said.
        told = "the archive has no end mark; what follows may be missing" in image.facts.oddities
        return None if told else read(image, 0, image.size)
    except InteropError as error:
        assert error.exit_code in {2, 3, 4, 6}, error
        return None


def cuts(content: bytes) -> Iterator[int]:
    """Yield lengths: around each sector, or some of them where there are many."""
    step = max(1, len(content) // 512 // (MOST_CUTS // 3))
    for sector in range(0, len(content), 512 * step):
        yield from (length for length in (sector - 1, sector, sector + 1) if length >= 0)
    yield from range(max(0, len(content) - 3), len(content))


@pytest.mark.parametrize("name", FORMATS)
def test_an_image_cut_anywhere_reads_as_before_or_is_refused(
    seeds: dict[str, list[bytes]], name: str
) -> None:
    tried = 0
    for content in seeds[name]:
        expected = content_of(content, name, content)
        for length in cuts(content) if expected is not None else ():
            with bounded():
                found = content_of(content[:length], name, content)
            assert found in {None, expected}, length
            tried += 1
    assert tried > 10


NUMBER_LAYOUTS = ("<I", ">I", "<Q", ">Q")


def changed_numbers(content: bytes, stop: int) -> Iterator[bytes]:
    """Yield a file with each word up to ``stop`` replaced by each extreme number, both ways."""
    for layout in map(struct.Struct, NUMBER_LAYOUTS):
        numbers = {number & ((1 << 8 * layout.size) - 1) for number in NUMBERS}
        for at in range(0, min(stop, len(content)) - layout.size + 1, 4):
            for number in sorted(numbers):
                changed = bytearray(content)
                layout.pack_into(changed, at, number)
                if changed != content:
                    yield bytes(changed)


FIELDS = {"qcow": 48, "qcow2": 112, "qed": 64, "vmdk": 80, "parallels": 64, "bochs": 88}


@pytest.mark.parametrize("name", FIELDS)
def test_no_number_in_a_header_costs_memory_or_time(
    seeds: dict[str, list[bytes]], tmp_path: Path, name: str
) -> None:
    attempt = TARGETS[name](tmp_path).attempt
    for content in min(seeds[name], key=len), seeds[name][-1]:
        for changed in changed_numbers(content, FIELDS[name]):
            with bounded():
                attempt(changed)


PLACES = {
    "vhd": [(512, 512 + 64), (-512, -512 + 88)],
    "vdi": [(64, 84), (320, 400)],
    "cloop": [(128, 160)],
    "dmg": [(-512, -512 + 80), (-512 + 216, -512 + 232)],
}


@pytest.mark.parametrize("name", PLACES)
def test_no_number_in_a_structure_further_on_does_either(
    seeds: dict[str, list[bytes]], tmp_path: Path, name: str
) -> None:
    attempt = TARGETS[name](tmp_path).attempt
    content = seeds[name][0]
    for start, stop in PLACES[name]:
        first = start % len(content)
        front, part = content[:first], content[first : stop % len(content)]
        for changed in changed_numbers(part, len(part)):
            with bounded():
                attempt(front + changed + content[len(front) + len(part) :])


class Ring:
    """A gate whose files are images below each other, the last below the first again."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.opened: list[str] = []
        self._files = files

    def open(self, name: str, *, by: str) -> File:
        del by
        self.opened.append(name)
        name = name.removeprefix(".\\")
        return Memory(self._files[name], name)

    def beside(self, by: str) -> list[str]:
        del by
        return list(self._files)


def vhd_of(name: str, parent: str) -> bytes:
    guids = {"a.vhd": vhds.CHILD, "b.vhd": vhds.PARENT}
    locators = {b"W2ru": f".\\{parent}".encode("utf-16-le")}
    return vhds.Growing(
        64 * KIB,
        kind=vhds.DIFFERENCING,
        locators=locators,
        parent=guids[parent],
        identifier=guids[name],
    ).packed()


def vhdx_of(parent: str) -> bytes:
    locator = {"relative_path": parent, "parent_linkage": f"{{{vhdxs.DATA_GUID}}}"}
    return vhdxs.Layout(MIB, locator=locator).built()


def vdi_of(name: str) -> bytes:
    own, other = (vdis.CHILD, vdis.BASE) if name == "a.vdi" else (vdis.BASE, vdis.CHILD)
    return vdis.Vdi(32 * KIB, kind=vdis.DIFFERENCING, identifier=own, parent=other).packed()


def vmdk_of(parent: str) -> bytes:
    extent = "RW 128 ZERO"
    return vmdks.descriptor("custom", extent, parent=f"12345678 {parent}").encode()


RINGS = {
    "qcow": (qcow("b.qcow"), qcow("a.qcow")),
    "qcow2": (qcow2("b.qcow2", "qcow2"), qcow2("a.qcow2", "qcow2")),
    "qed": (qed("b.qed", raw=False), qed("a.qed", raw=False)),
    "vmdk": (vmdk_of("b.vmdk"), vmdk_of("a.vmdk")),
    "vhd": (vhd_of("a.vhd", "b.vhd"), vhd_of("b.vhd", "a.vhd")),
    "vhdx": (vhdx_of("b.vhdx"), vhdx_of("a.vhdx")),
    "vdi": (vdi_of("a.vdi"), vdi_of("b.vdi")),
}


def refused(content: bytes, gate: Gate, name: str) -> str:
    with pytest.raises(InteropError) as caught, bounded():
        open_image(Memory(content, name), gate)
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.parametrize("name", RINGS)
def test_two_images_below_each_other_are_no_disk(name: str) -> None:
    first, second = f"a.{name}", f"b.{name}"
    gate = Ring(dict(zip((first, second), RINGS[name], strict=True)))
    said = refused(RINGS[name][0], gate, first)
    assert said == f"{second}: the chain of images below it leads to {first} again"
    assert len(gate.opened) < 20


def test_a_ring_of_several_formats_is_no_disk() -> None:
    files = {"a.qcow2": qcow2("b.qed", "qed"), "b.qed": qed("c.qcow", raw=False)}
    files["c.qcow"] = qcow("a.qcow2")
    said = refused(files["a.qcow2"], Ring(files), "a.qcow2")
    assert said == "c.qcow: the chain of images below it leads to a.qcow2 again"


def test_a_closed_gate_opens_no_image_below() -> None:
    for name, (first, _) in RINGS.items():
        with pytest.raises(InteropError) as caught:
            open_image(Memory(first, f"a.{name}"), ClosedGate())
        assert caught.value.exit_code in {3, 6}


BOMB = 300 * MIB
LONG_WORDS = "it does not unpack to 1024 bytes or fewer"


def packed_dmg(kind: int, packed: bytes) -> bytes:
    """Return a DMG of two sectors with one chunk."""
    listing = dmgs.listed([dmgs.mish(0, [dmgs.Chunk(kind, 2, packed)], 0)])
    end = dmgs.koly(1024, (0, len(packed)), listing=(len(packed), len(listing)))
    return packed + listing + end


BOMBS: dict[str, tuple[int, Callable[[], bytes]]] = {
    "deflate": (dmgs.ZLIB, lambda: zlib.compress(bytes(BOMB), 9)),
    "bzip2": (dmgs.BZIP2, lambda: bz2.compress(bytes(BOMB // 8), 9)),
    "xz": (dmgs.LZMA, lambda: lzma.compress(bytes(BOMB // 4), preset=1)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_costs_memory(name: str) -> None:
    kind, made = BOMBS[name]
    packed = made()
    content = packed_dmg(kind, packed)
    tracemalloc.start()
    try:
        with pytest.raises(InteropError) as caught, bounded():
            read(open_image(Memory(content, "bomb.dmg"), ClosedGate()), 0, 1024)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    words = f"is larger than it can be ({len(packed)} bytes for 1024)"
    if name == "bzip2":  # small enough to be tried
        words = f"is damaged ({LONG_WORDS})"
    said = f"bomb.dmg at 0: a compressed block {words}"
    assert (str(caught.value), caught.value.exit_code) == (said, 3)


def test_an_xz_stream_that_asks_for_a_large_dictionary_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    header = bytearray(lzma.compress(bytes(1024), filters=[{**filters[0], "dict_size": 1 << 20}]))
    at = header.index(b"\x21\x01") + 2
    header[at] = 36  # 2**30 bytes
    begin, length = 12, (header[12] + 1) * 4
    sum_at = begin + length - 4
    header[sum_at : sum_at + 4] = zlib.crc32(header[begin:sum_at]).to_bytes(4, "little")
    image = open_image(Memory(packed_dmg(dmgs.LZMA, bytes(header)), "bomb.dmg"), ClosedGate())
    with pytest.raises(InteropError) as caught, bounded():
        read(image, 0, 1024)
    words = "a compressed block is damaged (it is no sound xz stream)"
    assert str(caught.value) == f"bomb.dmg at 0: {words}"


def test_a_zstd_bomb_in_a_cluster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.raw").write_bytes(b"zstandard" * 7000)
    path = tmp_path / "bomb.qcow2"
    options = ("-o", "compression_type=zstd")
    run("qemu-img", "convert", "-c", "-O", "qcow2", *options, tmp_path / "plain.raw", path)
    source = next(iter(open_image(LocalFile(path), ClosedGate()).runs(0, 512))).source
    assert isinstance(source, Packed)
    bomb = compressor(1)(memoryview(bytes(BOMB // 2)))
    content = bytearray(path.read_bytes())
    content[source.offset : source.offset + len(bomb)] = bomb
    content += bytes(2 * MIB)
    # The cluster may take as many sectors as the entry can say.
    for at in range(0, len(content) - 8, 8):
        [entry] = struct.unpack_from(">Q", content, at)
        if entry >> 62 == 1 and entry & ((1 << 54) - 1) == source.offset:
            struct.pack_into(">Q", content, at, entry | 0xFF << 54)
    image = open_image(Memory(bytes(content), "bomb.qcow2"), ClosedGate())
    with pytest.raises(InteropError) as caught, bounded():
        read(image, 0, 512)
    words = "a compressed block is damaged (it does not unpack to 65536 bytes or fewer)"
    assert str(caught.value) == f"bomb.qcow2 at {source.offset}: {words}"
