"""DMG: read as QEMU and 7-Zip read it, and refused in words where it is broken."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from converters.disks.formats.dmg import packing
from converters.disks.formats.dmg.packing import unadc
from converters.disks.image import Stored, read
from converters.disks.registry import format_of
from rehost.errors import InteropError
from rehost.files import LocalFile
from tests.support.dmgs import (
    ADC,
    BZIP2,
    COMMENT,
    EMPTY,
    IGNORED,
    LZFSE,
    LZMA,
    PLAIN,
    ZEROS,
    ZLIB,
    Chunk,
    adc,
    chunk,
    dmg,
    koly,
    listed,
    mish,
)
from tests.support.images import MIB, assert_identical, opened, ours, run
from tests.support.witnesses import assert_composed, assert_reads_like, error_of

KINDS = {
    "zeros": ZEROS,
    "plain": PLAIN,
    "ignored": IGNORED,
    "adc": ADC,
    "zlib": ZLIB,
    "bzip2": BZIP2,
    "lzfse": LZFSE,
    "lzma": LZMA,
}
SHORT = "The file is cut short; copy it again."
each_kind = pytest.mark.parametrize("name", KINDS)
packed_kinds = pytest.mark.parametrize("name", ["adc", "zlib", "bzip2", "lzfse", "lzma"])


def content(sectors: int, seed: int) -> bytes:
    """Return sectors of words, zeros and noise."""
    pick, found = Random(seed), bytearray()
    while len(found) < sectors * 512:
        unit = pick.choice((b"%d words " % pick.randrange(9), bytes(4), pick.randbytes(5)))
        found += unit * pick.randrange(1, 300)
    return bytes(found[: sectors * 512])


class Sample(NamedTuple):
    """Two partitions in five chunks, some of one kind, and what the disk holds."""

    partitions: list[list[Chunk]]
    plain: bytes


def sample(kind: int, seed: int = 1, sectors: int = 40) -> Sample:
    parts = [content(sectors + n, seed + n) for n in range(5)]
    for number in (0, 3, 4):
        parts[number] = bytes(len(parts[number])) if kind in EMPTY else parts[number]
    first = [chunk(kind, parts[0]), Chunk(COMMENT, 0, b""), chunk(PLAIN, parts[1])]
    second = [chunk(ZLIB, parts[2]), chunk(kind, parts[3]), chunk(kind, parts[4])]
    return Sample([first, second], b"".join(parts))


@pytest.fixture
def sound() -> bytes:
    return dmg(sample(ZLIB).partitions)


def said(content: bytes) -> str:
    return str(error_of(content, "a.dmg", "dmg"))


def written(folder: Path, made: Sample, *, fork: bool = False, lead: bytes = b"") -> Path:
    (folder / "plain.raw").write_bytes(made.plain)
    path = folder / "a.dmg"
    path.write_bytes(dmg(made.partitions, fork=fork, lead=lead))
    return path


@each_kind
def test_chunks_of_every_kind_are_read(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, sample(KINDS[name]))
    assert format_of(LocalFile(path)).name == "dmg"
    assert_reads_like(path, "dmg", tmp_path / "plain.raw")


@each_kind
@pytest.mark.parametrize("fork", [False, True], ids=["list", "fork"])
def test_7_zip_reads_the_same(tmp_path: Path, name: str, fork: bool) -> None:
    path = written(tmp_path, sample(KINDS[name], seed=7), fork=fork)
    run("7zz", "x", "-y", "-tdmg", f"-o{tmp_path / 'parts'}", path)
    found = b"".join(each.read_bytes() for each in sorted((tmp_path / "parts").iterdir()))
    image = opened(path)
    assert read(image, 0, image.size) == found


@pytest.mark.parametrize("name", ["zeros", "plain", "ignored", "zlib"])
@pytest.mark.parametrize("fork", [False, True], ids=["list", "fork"])
@pytest.mark.parametrize("lead", [b"", b"in front"], ids=["", "led"])
def test_qemu_reads_the_same(tmp_path: Path, name: str, fork: bool, lead: bytes) -> None:
    path = written(tmp_path, sample(KINDS[name], seed=9), fork=fork, lead=lead)
    assert_identical(tmp_path / "plain.raw", "raw", path, "dmg")
    assert_reads_like(path, "dmg", tmp_path / "plain.raw")


@pytest.mark.parametrize("name", ["zlib", "bzip2", "lzfse", "lzma"])
def test_chunks_larger_than_a_run_are_read(tmp_path: Path, name: str) -> None:
    plain = content(3000, seed=2) * 4
    made = Sample([[chunk(KINDS[name], plain), chunk(PLAIN, b"\7" * 512)]], plain + b"\7" * 512)
    path = written(tmp_path, made)
    assert_reads_like(path, "dmg", tmp_path / "plain.raw", requests=20)
    target = ours(opened(path), tmp_path / "out.qcow2", "qcow2")
    assert_identical(tmp_path / "plain.raw", "raw", target, "qcow2")


CONVERT = """
import sys
from pathlib import Path
from tests.support.images import opened, ours
ours(opened(Path(sys.argv[1])), Path(sys.argv[2]), "qcow2")
said = Path("/proc/self/status").read_text()
print(int(said.split("VmHWM:")[1].split()[0]) >> 10)
"""


@pytest.mark.parametrize("name", ["zlib", "lzfse", "lzma"])
def test_the_largest_chunks_stay_within_200_mib(tmp_path: Path, name: str) -> None:
    block = content(2048, seed=3) * 64
    packed = chunk(KINDS[name], block)
    path = tmp_path / "a.dmg"
    path.write_bytes(dmg([[packed, packed]]))
    done = run(sys.executable, "-c", CONVERT, path, tmp_path / "out.qcow2")
    assert int(done.stdout) < 200
    assert read(opened(path), 100 * MIB, 5 * MIB) == (block * 2)[100 * MIB : 105 * MIB]


def test_an_image_without_tables_is_its_data_fork(tmp_path: Path) -> None:
    path = tmp_path / "a.dmg"
    plain = content(8, seed=1)
    path.write_bytes(plain + koly(len(plain), (0, len(plain))))
    image = opened(path)
    assert read(image, 0, image.size) == plain
    assert isinstance(next(image.runs(0, 1)).source, Stored)
    path.write_bytes(plain + koly(len(plain) + 512, (0, len(plain))))
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: the DMG has no table of its chunks, and its data is not the disk "
        "(4096 bytes for 4608)"
    )


def test_facts_say_what_the_tables_say(tmp_path: Path) -> None:
    facts = opened(written(tmp_path, sample(BZIP2))).facts
    assert (facts.format, facts.variant) == ("dmg", "UDZO+UDBZ")
    assert facts.details == {
        "chunks": 5,
        "kinds": ["plain", "zlib", "bzip2"],
        "imageVariant": 1,
    }
    plain = dmg([[chunk(PLAIN, bytes(512)), chunk(ZEROS, bytes(512))]])
    (tmp_path / "b.dmg").write_bytes(plain)
    assert opened(tmp_path / "b.dmg").facts.variant == "UDRO"


def trailed(**changes: tuple[int, int] | int) -> bytes:
    """Return a trailer with fields that lie behind the beginning of it."""
    fields: dict[str, tuple[int, int]] = {"data": (0, 0), "fork": (0, 0), "listing": (0, 0)}
    places = {key: value for key, value in changes.items() if isinstance(value, tuple)}
    version, segments = (int(str(changes.get(key, default))) for key, default in VERSIONS)
    size = int(str(changes.get("size", 512)))
    fields |= places
    return koly(size, **fields, version=version, segments=segments)


VERSIONS = (("version", 4), ("segments", 1))
BEHIND = "the DMG {} lies behind the end of the file ({} bytes at {}, the trailer begins at 0)"
TRAILERS = [
    ({"data": (1, 5)}, ": " + BEHIND.format("data fork", 5, 1), 3),
    ({"fork": (2, 6)}, ": " + BEHIND.format("resource fork", 6, 2), 3),
    ({"listing": (2**64 - 1, 2**64 - 1)}, None, 3),
    ({"version": 5}, " at 0: the DMG has an unknown version (5, with a trailer of 512 bytes)", 4),
    ({"segments": 3}, " at 0: is one of several segments of a DMG (1 of 3)", 4),
    ({"size": 2**63}, f" at 0: the DMG disk's size is impossible ({2**54} sectors)", 3),
]


@pytest.mark.parametrize(("changes", "words", "code"), TRAILERS)
def test_a_trailer_is_refused_in_these_words(
    changes: dict[str, tuple[int, int] | int], words: str | None, code: int
) -> None:
    error = error_of(trailed(**changes), "a.dmg", "dmg")
    big = BEHIND.format("property list", 2**64 - 1, 2**64 - 1)
    assert str(error) == "a.dmg" + (words or f": {big}")
    assert error.exit_code == code


def test_a_file_without_a_trailer_is_damage(sound: bytes) -> None:
    error = error_of(sound[:-1], "a.dmg", "dmg")
    at = len(sound) - 513
    assert str(error) == f"a.dmg at {at}: no DMG trailer (found {sound[at : at + 4]!r})"
    assert error.hint == "The file is cut short, or is no DMG; copy it again."
    assert said(b"koly") == "a.dmg at 0: no DMG trailer (found b'koly')"


def test_lists_of_absurd_size_are_damage() -> None:
    size = (16 << 20) + 1
    for what, place in (("property list", "listing"), ("resource fork", "fork")):
        trailer = trailed(**{place: (0, size)})
        assert said(bytes(size) + trailer) == (
            f"a.dmg: the DMG {what} is absurdly large ({size} bytes)"
        )


@pytest.mark.parametrize("old", [False, True])
def test_encryption_is_refused(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "a.dmg"
    path.write_bytes(bytes(1000) + b"cdsaencr" if old else b"encrcdsa" + bytes(1000))
    assert format_of(LocalFile(path)).name == "dmg"
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == f"{path}: the DMG is encrypted"
    assert caught.value.hint == ("Decrypt it on a Mac: hdiutil convert FILE -format UDZO -o NEW.")
    assert caught.value.exit_code == 4


def with_list(listing: bytes, *, data: bytes = b"", size: int = 512) -> bytes:
    place = (len(data), len(listing))
    return data + listing + koly(size, (0, len(data)), (0, 0), place)


def with_table(table: bytes, *, data: bytes = b"", size: int = 512) -> bytes:
    return with_list(listed([table]), data=data, size=size)


def test_a_property_list_that_is_no_xml_is_damage() -> None:
    assert said(with_list(b"<plist><dict>")) == (
        "a.dmg at 0: the XML is not well-formed (no element found: line 1, column 13)"
    )
    assert said(with_list(b"<a>" * 101)) == (
        "a.dmg at 0: the XML is nested too deeply (more than 100 levels)"
    )
    broken = listed([b"mish"]).replace(b"bWlzaA==", b"bWlz!A==")
    assert said(with_list(broken)) == (
        "a.dmg at 0: the data in the DMG property list is no base64 (Only base64 data is allowed)"
    )


def test_entities_are_refused() -> None:
    laughs = b'<!DOCTYPE a [<!ENTITY lol "lol"><!ENTITY l2 "&lol;&lol;">]><a>&l2;</a>'
    error = error_of(with_list(laughs), "a.dmg", "dmg")
    assert str(error) == "a.dmg at 0: the XML declares an entity ('lol'), which is not allowed"
    assert error.exit_code == 6
    outside = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    assert said(with_list(outside)) == (
        "a.dmg at 0: the XML declares an entity ('x'), which is not allowed"
    )


def test_elements_without_end_are_refused() -> None:
    many = b"<plist>" + b"<a/>" * 3_000_000 + b"</plist>"
    assert said(with_list(many)) == "a.dmg at 0: the XML has too many elements (more than 20000)"


def test_a_resource_fork_that_is_none_is_damage() -> None:
    for fork in (b"\0", bytes(15), b"\0\0\1\0\0\0\1\0" + bytes(600), b"\xff" * 300):
        content = fork + koly(512, (0, 0), (0, len(fork)))
        words = said(content)
        assert words in {
            "a.dmg at 0: the DMG resource fork is damaged (a part of it lies behind its end)",
            "a.dmg: no DMG chunk says what lies on the disk from 0 to 512",
        }
    cut = dmg(sample(ZLIB).partitions, fork=True)
    place = struct.unpack_from(">Q", cut, len(cut) - 512 + 40)[0]
    worse = cut[:place] + cut[place : place + 300].ljust(len(cut) - 512 - place, b"\xff")
    assert said(worse + cut[-512:]) == (
        f"a.dmg at {place}: the DMG resource fork is damaged (a part of it lies behind its end)"
    )


def test_tables_that_are_none_or_cut_short_are_damage() -> None:
    assert said(with_table(b"fish" + bytes(300))) == (
        "a.dmg at 0: no table of DMG chunks (found b'fish')"
    )
    table = mish(0, [chunk(ZEROS, bytes(512))], 0)
    assert said(with_table(table[:-1])) == (
        "a.dmg at 0: a table of DMG chunks is cut short (1 chunks, should be 2)"
    )


def test_chunks_that_do_not_cover_the_disk_once_are_damage() -> None:
    one = [chunk(ZEROS, bytes(1024))]
    assert said(with_table(mish(1, one, 0), size=1536)) == (
        "a.dmg: no DMG chunk says what lies on the disk from 0 to 512"
    )
    assert said(with_table(mish(0, one, 0), size=1536)) == (
        "a.dmg: no DMG chunk says what lies on the disk from 1024 to 1536"
    )
    assert said(with_table(mish(0, one, 0), size=512)) == (
        "a.dmg: DMG chunks reach behind the disk's end (1024 bytes, the disk has 512)"
    )
    twice = listed([mish(0, one, 0), mish(1, one, 0)])
    assert said(with_list(twice, size=1536)) == (
        "a.dmg: DMG chunks overlap (one ends at 1024, the next begins at 512)"
    )


def test_impossible_places_and_sizes_are_damage() -> None:
    words = "a.dmg at 0: a DMG chunk has an impossible place or size"
    table = mish(0, [chunk(PLAIN, bytes(512))], 0)
    for at in (8, 24, 204 + 8, 204 + 16, 204 + 24, 204 + 32):
        changed = table[:at] + b"\xff" * 8 + table[at + 8 :]
        assert said(with_table(changed)) == words


def test_chunks_behind_the_end_or_used_twice_are_damage() -> None:
    error = error_of(with_table(mish(0, [chunk(PLAIN, bytes(512))], 1 << 40)), "a.dmg", "dmg")
    end = len(with_table(mish(0, [chunk(PLAIN, bytes(512))], 1 << 40))) - 512
    assert str(error) == (
        f"a.dmg at {1 << 40}: a DMG chunk lies behind the end of the data (512 bytes, "
        f"the trailer begins at {end})"
    )
    assert error.hint == SHORT
    packed = chunk(ZLIB, bytes(512))
    both = listed([mish(0, [packed], 9), mish(1, [packed], 9)])
    assert said(with_list(both, data=bytes(9) + packed.packed, size=1024)) == (
        "a.dmg: a DMG chunk is used twice (at 9)"
    )
    short = Chunk(PLAIN, 2, bytes(512))
    assert said(with_table(mish(0, [short], 0), data=bytes(512), size=1024)) == (
        "a.dmg at 0: a plain DMG chunk is too short (512 bytes, should be 1024)"
    )


def test_kinds_that_are_not_read_are_refused() -> None:
    error = error_of(with_table(mish(0, [Chunk(0x8000_0009, 1, b"x")], 0)), "a.dmg", "dmg")
    assert str(error) == "a.dmg: the DMG has a kind of chunk that is not read (0x80000009)"
    assert error.exit_code == 4


def test_chunks_larger_than_memory_should_be_are_refused() -> None:
    huge = with_table(mish(0, [Chunk(ZLIB, 1 << 30, b"x")], 0), data=b"x", size=1 << 39)
    error = error_of(huge, "a.dmg", "dmg")
    assert str(error) == (
        f"a.dmg at 0: a compressed block is too large ({1 << 39} bytes, "
        f"at most {64 * MIB} are unpacked at once)"
    )
    padded = Chunk(ZLIB, 1, bytes(5000))
    assert said(with_table(mish(0, [padded], 0), data=bytes(5000))) == (
        "a.dmg at 0: a compressed block is larger than it can be (5000 bytes for 512)"
    )


NOISE = {
    "adc": "it copies from in front of its beginning",
    "zlib": "it does not unpack to 1024 bytes or fewer",
    "bzip2": "it is no sound bzip2 stream",
    "lzfse": "it is no sound LZFSE stream",
    "lzma": "it is no sound xz stream",
}


@packed_kinds
def test_chunks_that_are_none_too_long_or_too_short_are_damage(name: str) -> None:
    kind = KINDS[name]

    def words(plain: bytes | None) -> str:
        packed = b"no such thing" if plain is None else chunk(kind, plain).packed
        table = mish(0, [Chunk(kind, 2, packed)], 0)
        return said(with_table(table, data=packed, size=1024))

    assert words(None) == f"a.dmg at 0: a compressed block is damaged ({NOISE[name]})"
    assert words(bytes(1 << 16)) == (
        "a.dmg at 0: a compressed block is damaged (it does not unpack to 1024 bytes or fewer)"
    )
    assert words(bytes(512)) == (
        "a.dmg at 0: a compressed block has the wrong size (512 bytes, should be 1024)"
    )


@pytest.mark.parametrize("packed", [b"\x84abc", b"\x80a\x40\0", b"\x80a\0"])
def test_adc_that_ends_inside_a_step_is_damage(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it ends inside a step$"):
        unadc(512, packed)


def test_adc_makes_what_was_packed() -> None:
    for seed in range(20):
        plain = content(9, seed)
        assert unadc(len(plain), adc(plain)) == plain


def test_without_the_library_lzfse_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, sample(LZFSE))

    def missing(name: str) -> None:
        raise ImportError(name)

    packing._lzfse.cache_clear()
    monkeypatch.setattr(packing, "import_module", missing)
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == "LZFSE compression needs the package lzfse"
    assert caught.value.hint == "Install it: pip install rehost[lzfse]."
    assert caught.value.exit_code == 5


MUTATED: dict[str, Callable[[bytes], range]] = {
    "trailer": lambda content: range(len(content) - 512, len(content)),
    "list": lambda content: range(len(content) - 3000, len(content) - 512),
    "data": lambda content: range(len(content) // 2),
}


@pytest.mark.parametrize("where", MUTATED)
@pytest.mark.parametrize("fork", [False, True], ids=["list", "fork"])
def test_mutations_are_read_or_refused(where: str, fork: bool) -> None:
    chunks = [chunk(kind, content(4, seed=kind & 7)) for kind in (ADC, ZLIB, BZIP2, LZFSE, LZMA)]
    whole = dmg([[*chunks, chunk(ZEROS, bytes(512)), chunk(PLAIN, b"\3" * 512)]], fork=fork)
    assert_composed(whole, "dmg", seed=1, rounds=200, tables=MUTATED[where](whole))
