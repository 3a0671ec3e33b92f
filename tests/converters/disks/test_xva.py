"""XVA: chunks read where they lie and verified, and written as a stream that Python's tar reads."""

from __future__ import annotations

from pathlib import Path
from random import Random
from xml.etree import ElementTree as Xml

import pytest

from converters.disks.copy import copy
from converters.disks.formats.xva import checksum, index, repetition
from converters.disks.formats.xva.reader import open_disk
from converters.disks.formats.xva.writer import XvaWriter
from converters.disks.gate import ClosedGate
from converters.disks.image import Image, Stored, Zero, read, resolved
from converters.disks.locate import located
from converters.disks.output import Output
from converters.disks.registry import Shape, format_of, open_image
from rehost.errors import EnvironmentFailureError, InteropError, UsageError
from rehost.files import LocalFile
from tests.support.images import RAW, TIB, Variant, create, opened, ours, run, scribble
from tests.support.models import Memory
from tests.support.xvas import EMPTY, MIB, Entry, chunks_of, sha1, tar_of, unpacked

SECONDS = 240
SIZES = (512, MIB - 512, MIB, MIB + 512, 7 * MIB + 37 * 512)


def sparse(size: int, seed: int) -> bytes:
    """Return a disk of whole and partial chunks, with chunks of zeros between them."""
    pick, content = Random(seed), bytearray(size)
    for number in range(0, -(-size // MIB), 3):
        content[number * MIB : number * MIB + MIB] = pick.randbytes(min(MIB, size - number * MIB))
    return bytes(content)


def image_of(content: bytes, name: str = "a.xva") -> Image:
    return open_image(Memory(content, name), ClosedGate(), format="xva")


def error_of(content: bytes) -> InteropError:
    with pytest.raises(InteropError) as caught:
        image = image_of(content)
        read(image, 0, image.size)
    return caught.value


# Reading


@pytest.mark.parametrize("kind", ["sha1", "xxhash", "none"])
@pytest.mark.parametrize("size", SIZES)
def test_any_request_returns_what_lies_there(kind: str, size: int) -> None:
    content = sparse(size, seed=1)
    image, pick = image_of(tar_of(chunks_of("Ref:4", content, kind=kind))), Random(2)
    assert image.size == size
    assert read(image, 0, size) == content
    for _ in range(30):
        offset, length = pick.randrange(size), pick.randrange(1, 3 * MIB)
        assert read(image, offset, length) == content[offset : offset + length]
    at = 0
    for found in resolved(image, 0, image.size):
        assert (found.start, found.length > 0) == (at, True)
        at = found.stop
    assert at == size


def test_facts_say_what_is_in_the_archive() -> None:
    entries = chunks_of("Ref:4", sparse(7 * MIB, 1))
    facts = image_of(tar_of([*entries, ("Ref:9/00000000.note", b"?")])).facts
    assert (facts.format, facts.variant) == ("xva", None)
    assert facts.oddities == ("files of the disks are neither chunks nor checksums (1)",)
    assert facts.details == {
        "ref": "Ref:4",
        "disks": ["Ref:4"],
        "chunks": 3,
        "checksums": ["sha1"],
        "otherMembers": 2,
    }


def test_a_chunk_that_was_changed_is_found_when_it_is_read() -> None:
    content = sparse(7 * MIB, 1)
    for kind in ("sha1", "xxhash"):
        raw = bytearray(tar_of(chunks_of("Ref:4", content, kind=kind)))
        at = raw.index(content[3 * MIB : 3 * MIB + 64])
        raw[at + 5] ^= 1
        image = image_of(bytes(raw))
        assert read(image, 0, 3 * MIB) == content[: 3 * MIB]
        with pytest.raises(InteropError) as caught:
            read(image, 3 * MIB + 100, 1)
        assert caught.value.exit_code == 3
        digits = bytes(raw[at + MIB + 512 : at + MIB + 512 + (40 if kind == "sha1" else 16)])
        assert str(caught.value).startswith(
            f"a.xva at {at}: a compressed block is damaged (its {kind} is "
        )
        assert str(caught.value).endswith(f", should be {digits.decode()!r})")


def test_several_disks_are_listed_and_named(tmp_path: Path) -> None:
    first, second = sparse(2 * MIB, 1), sparse(4 * MIB, 2)
    entries = [*chunks_of("Ref:1", first), *chunks_of("Ref:10", second)]
    path = tmp_path / "two.xva"
    path.write_bytes(tar_of(entries))
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert str(caught.value) == f"{path}: holds several disks"
    assert caught.value.hint == f"Name one of its disks: {path}!Ref:1, {path}!Ref:10."
    found = index.read_index(LocalFile(path))
    for ref, content in {"Ref:1": first, "Ref:10": second}.items():
        assert read(open_disk(LocalFile(path), ref, index=found), 0, 9 * MIB) == content
        place = located(f"{path}!{ref}")
        assert read(open_image(place.file, place.gate), 0, 9 * MIB) == content
    with pytest.raises(UsageError) as caught:
        place = located(f"{path}!Ref:2")
        open_image(place.file, place.gate)
    assert str(caught.value) == f"{path}!Ref:2: has no disk of that name ('Ref:2')"


def test_a_gap_is_as_long_as_the_first_chunk_and_empty_chunks_take_no_room() -> None:
    first, second, third = b"1" * 1024, b"2" * 512, b"3" * 100
    entries: list[Entry] = []
    for number, chunk in {0: first, 3: second, 4: b"", 5: b"", 7: third}.items():
        entries += [(f"Ref:0/{number:08d}", chunk), (f"Ref:0/{number:08d}.checksum", sha1(chunk))]
    image = image_of(tar_of(entries))
    assert read(image, 0, MIB) == first + bytes(2048) + second + bytes(1024) + third


def test_names_without_padding_and_from_the_current_folder_are_read() -> None:
    content = sparse(2 * MIB, 3)
    entries = [(f"./{name}", chunk) for name, chunk in chunks_of("Ref:0", content)]
    image = image_of(tar_of([*entries, ("Ref:0/12", b"x" * 512)]))
    assert read(image, 0, 13 * MIB) == content.ljust(12 * MIB, b"\0") + b"x" * 512


def test_an_archive_without_a_description_or_end_is_read_and_said() -> None:
    entries = chunks_of("Ref:0", b"x" * 512)
    raw = tar_of(entries, head=None)[: 512 * 4]
    image = image_of(raw)
    assert format_of(Memory(raw, "a.xva")).name == "xva"
    assert read(image, 0, 512) == b"x" * 512
    assert image.facts.oddities == ("the archive has no end mark; what follows may be missing",)


def test_chunks_without_checksums_are_said() -> None:
    entries = [*chunks_of("Ref:0", bytes(MIB)), ("Ref:0/00000001", b"x" * 512)]
    image = image_of(tar_of(entries))
    assert image.facts.oddities == ("some chunks have no checksum",)
    assert image.facts.details["checksums"] == ["none", "sha1"]
    assert isinstance(list(image.runs(MIB, MIB + 512))[-1].source, Stored)


def test_without_xxhash_chunks_are_read_unverified_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checksum, "_xxhash", lambda: None)
    content = sparse(2 * MIB, 4)
    image = image_of(tar_of(chunks_of("Ref:0", content, kind="xxhash")))
    assert read(image, 0, 2 * MIB) == content
    assert image.facts.oddities == (
        "the chunks' checksums are not verified, for xxhash is not installed",
    )
    with pytest.raises(EnvironmentFailureError) as caught, Output(tmp_path / "a.xva") as output:
        XvaWriter(output, Shape(MIB, {"checksum": "xxhash"}))
    assert str(caught.value) == "this kind of checksum needs xxhash"
    assert caught.value.hint == "Install it: pip install rehost[xva]."


@pytest.mark.parametrize("head", [EMPTY, None])
def test_an_xva_is_known_by_its_first_member(head: bytes | None) -> None:
    content = tar_of(chunks_of("Ref:7", bytes(MIB)), head=head)
    assert format_of(Memory(content, "unnamed")).name == "xva"
    other = tar_of([("disk.ovf", b"x")], head=None)
    assert format_of(Memory(other, "unnamed")).name == "raw"


def irregular(pick: Random) -> bytes:
    """Return an archive that mostly goes on as before, and sometimes does not."""
    entries: list[Entry] = []
    for ref in ("Ref:1", "Ref:2"):
        number = 0
        for _ in range(pick.randrange(1, 30)):
            length = pick.choice((1024, 1024, 1024, 1024, 1024, 1024, 512, 0, 700))
            name, chunk = f"{ref}/{number:08d}", pick.randbytes(length)
            entries.append((name, chunk))
            if pick.random() < 0.97:
                entries.append((f"{name}.checksum", sha1(chunk)))
            if pick.random() < 0.03:
                entries.append(("note", b"?"))
            number += pick.choice((1,) * 12 + (2, 5))
    return tar_of(entries)


def test_going_on_as_before_is_a_short_cut_and_no_other_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pick = Random(9)
    archives = [Memory(irregular(pick), "a.xva") for _ in range(80)]
    quick = [index.read_index(file) for file in archives]
    assert max(len(each.disks["Ref:1"].starts) for each in quick) > 20
    monkeypatch.setattr(repetition.Repetition, "count", lambda *_: 0)
    for file, found in zip(archives, quick, strict=True):
        slow = index.read_index(file)
        assert (slow.others, slow.oddities) == (found.others, found.oddities)
        for ref, chunks in slow.disks.items():
            assert vars(chunks) == vars(found.disks[ref])


# Refusing


def test_chunks_out_of_order_or_without_a_beginning_are_damage() -> None:
    entries = [("Ref:4/00000000", b"x" * 512), ("Ref:4/00000000", b"x" * 512)]
    error = error_of(tar_of(entries, head=None))
    assert str(error) == "a.xva at 1024: the chunks of Ref:4 are not in order (0 follows 0)"
    assert error.hint == "Copy or export it again."
    error = error_of(tar_of([("Ref:4/00000001", b"x")], head=None))
    assert str(error) == "a.xva at 0: the first chunk of Ref:4 is missing (it begins with 1)"


def test_a_checksum_of_another_chunk_is_damage() -> None:
    entries = [("Ref:4/00000000", b"x"), ("Ref:4/00000001.checksum", b"y" * 40)]
    assert str(error_of(tar_of(entries, head=None))) == (
        "a.xva at 1024: a checksum of Ref:4 is not that of the chunk before it "
        "(Ref:4/00000001.checksum, 40 bytes)"
    )


def test_sizes_that_cannot_be_are_refused() -> None:
    big = [("Ref:4/00000000", b"x" * MIB * 2), ("Ref:4/999999999999", b"x")]
    assert str(error_of(tar_of(big, head=None))) == (
        f"a.xva at {2 * MIB + 512}: the size of Ref:4 is impossible "
        f"({999999999999 * 2 * MIB + 1} bytes)"
    )
    huge = tar_of([("Ref:4/00000000", bytes(16 * MIB + 1))], head=None)
    assert str(error_of(huge)) == (
        "a.xva at 0: a chunk of Ref:4 is too large (16777217 bytes, at most 16777216)"
    )


def test_too_many_files_or_disks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_OTHERS", 2)
    content = tar_of([(str(number), b"") for number in range(3)])
    assert str(error_of(content)) == ("a.xva: holds too many files that are no chunks (at most 2)")
    monkeypatch.setattr(index, "MOST_DISKS", 2)
    content = tar_of([(f"Ref:{number}/0", b"x") for number in range(3)], head=None)
    assert str(error_of(content)) == (
        "a.xva: holds too many chunks or disks (at most 4194304 and 2)"
    )


def test_an_archive_without_disks_is_damage() -> None:
    error = error_of(tar_of([]))
    assert (str(error), error.exit_code) == ("a.xva: holds no disk", 3)


def test_a_damaged_archive_is_said_where() -> None:
    sound = tar_of(chunks_of("Ref:0", b"x" * MIB))
    assert str(error_of(sound[: 2 * 512 + 300])) == (
        "a.xva at 1024: is cut short in a header (212 bytes are missing)"
    )
    assert str(error_of(sound[: 4 * 512])) == (
        f"a.xva: is cut short in member 'Ref:0/00000000' ({MIB - 512} bytes are missing)"
    )
    changed = bytearray(sound)
    changed[1024] ^= 1
    assert str(error_of(bytes(changed))) == "a.xva at 1024: tar header's checksum is wrong"


def headed(at: int, value: bytes) -> bytes:
    """Return an XVA whose second header is changed, with the checksum that is then its own."""
    changed = bytearray(tar_of(chunks_of("Ref:0", b"x" * 512)))
    changed[1024 + at : 1024 + at + len(value)] = value
    changed[1024 + 148 : 1024 + 156] = b" " * 8
    changed[1024 + 148 : 1024 + 155] = b"%06o\0" % sum(changed[1024:1536])
    return bytes(changed)


def test_links_long_names_and_sizes_that_are_none_are_refused() -> None:
    error = error_of(headed(156, b"L"))
    assert str(error) == "a.xva at 1024: holds a member of a kind that no XVA has (b'L')"
    assert error.hint == "Write the archive again as USTAR: tar --format=ustar."
    assert error.exit_code == 4
    error = error_of(headed(124, b"\x80" + bytes(10) + b"\1"))
    assert str(error) == (
        "a.xva at 1024: tar header's size is no number "
        "(b'\\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01')"
    )


def test_changed_bytes_give_a_result_or_a_named_error() -> None:
    sound, pick = tar_of(chunks_of("Ref:0", sparse(4 * 1024, 1), step=1024)), Random(5)
    for _ in range(600):
        changed = bytearray(sound)
        for _ in range(pick.randrange(1, 4)):
            at = pick.randrange(len(sound))
            changed[at : at + 1] = bytes([pick.choice((0, 48, 55, 255, pick.randrange(256)))])
        if pick.random() < 0.2:
            del changed[pick.randrange(len(changed)) :]
        try:
            image = image_of(bytes(changed), "fuzzed")
            assert len(read(image, 0, MIB)) == min(image.size, MIB)
        except InteropError as error:
            assert str(error).startswith("fuzzed")


# Writing


@pytest.mark.parametrize("kind", ["sha1", "xxhash"])
@pytest.mark.parametrize("size", [0, *SIZES])
def test_what_is_written_is_what_python_and_tar_read(tmp_path: Path, kind: str, size: int) -> None:
    plain = tmp_path / "plain.raw"
    plain.write_bytes(sparse(size, seed=6))
    result = ours(opened(plain), tmp_path / "ours.xva", "xva", checksum=kind)
    content, names = unpacked(result)
    assert content == plain.read_bytes()
    assert names[:2] == ["ova.xml", "Ref:0/00000000"]
    assert run("tar", "tf", result).stdout.split() == names
    again = opened(result)
    assert (again.size, again.facts.oddities) == (size, ())
    assert ours(again, tmp_path / "back.raw", "raw").read_bytes() == plain.read_bytes()


def test_chunks_of_zeros_are_left_out_but_the_first_and_last(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 9 * MIB + 512)
    run("qemu-io", "-f", "raw", "-c", f"write -P 1 {4 * MIB} 512", plain)
    result = ours(opened(plain), tmp_path / "ours.xva", "xva")
    numbers = [name[6:] for name in unpacked(result)[1] if "checksum" not in name][1:]
    assert numbers == ["00000000", "00000004", "00000009"]
    assert opened(result).size == 9 * MIB + 512


def test_the_description_knows_the_disk(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, MIB + 512)
    result = ours(opened(plain), tmp_path / "ours.xva", "xva")
    root = Xml.fromstring(run("tar", "xOf", result, "ova.xml").stdout)
    texts = [each.text for each in root.iter() if each.text]
    assert texts[texts.index("id") + 1] == "Ref:0"
    assert texts[texts.index("virtual_size") + 1] == str(MIB + 512)
    assert texts[texts.index("export_vsn") + 1] == "2"


@pytest.mark.parametrize("size", [1, 511, MIB + 1])
def test_sizes_of_no_whole_sector_are_rounded_up(tmp_path: Path, size: int) -> None:
    plain = tmp_path / "odd.raw"
    plain.write_bytes(Random(size).randbytes(size))
    content, _ = unpacked(ours(opened(plain), tmp_path / "ours.xva", "xva"))
    assert content == plain.read_bytes().ljust(-(-size // 512) * 512, b"\0")


def test_the_same_content_gives_the_same_bytes_whatever_it_came_in(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 5 * MIB)
    scribble(plain, "raw", 5 * MIB, seed=7)
    first = ours(opened(plain), tmp_path / "first.xva", "xva")
    qcow2 = ours(opened(plain), tmp_path / "a.qcow2", "qcow2")
    assert ours(opened(qcow2), tmp_path / "second.xva", "xva").read_bytes() == first.read_bytes()


def test_a_large_and_almost_empty_disk_costs_what_it_holds(tmp_path: Path) -> None:
    plain = create(tmp_path / "large.qcow2", Variant("large", "qcow2"), 16 * TIB)
    run("qemu-io", "-f", "qcow2", "-c", f"write -P 7 {9 * TIB + 512} 512", plain)
    result = ours(opened(plain), tmp_path / "ours.xva", "xva")
    assert result.stat().st_size < 4 * MIB
    image = opened(result)
    assert image.size == 16 * TIB
    assert read(image, 9 * TIB, 2048) == bytes(512) + b"\7" * 512 + bytes(1024)
    hole = next(run for run in image.runs(MIB, TIB))
    assert (hole.start, type(hole.source)) == (MIB, Zero)


def test_several_disks_share_a_file_under_one_description(tmp_path: Path) -> None:
    contents = {"Ref:4": sparse(2 * MIB, 1), "Ref:12": sparse(3 * MIB + 512, 2)}
    path = tmp_path / "two.xva"
    with Output(path) as output:
        at, head = 0, b"<value/>"
        for ref, content in contents.items():
            image = open_image(Memory(content, ref), ClosedGate(), format="raw")
            last = ref == "Ref:12"
            writer = XvaWriter(output, Shape(image.size), ref=ref, head=head, at=at, closes=last)
            copy(image, writer, output)
            at = writer.end
    assert run("tar", "xOf", path, "ova.xml").stdout == "<value/>"
    for ref, content in contents.items():
        assert unpacked(path, ref)[0] == content
        assert read(open_disk(LocalFile(path), ref), 0, 9 * MIB) == content


def test_fifty_thousand_chunks_are_found(tmp_path: Path) -> None:
    path, count = tmp_path / "large.xva", 50_000
    small = tar_of(chunks_of("Ref:0", b"\1" * 512, step=512), head=None)[: 512 * 4]
    header, rest = bytearray(small[:512]), small[512:1024]
    with path.open("wb") as file:
        for number in range(count):
            header[6:14] = b"%08d" % number
            header[148:156] = b" " * 8
            header[148:155] = b"%06o\0" % sum(header)
            file.write(header + rest)
    image = opened(path)
    assert image.size == count * 512
    assert read(image, (count - 1) * 512, 512) == b"\1" * 512
