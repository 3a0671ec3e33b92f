"""Digests of what a guest sees, beside hashlib, sha256sum and the definition read once more."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from io import BytesIO
from itertools import groupby
from pathlib import Path
from random import Random

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.disks import cli_digest
from converters.disks.delta import Digested, Stretch, changed_ranges, compared, digested
from converters.disks.digest import ALGORITHMS, Terms
from converters.disks.image import ZERO, Facts, Run
from converters.disks.manifest import Manifest
from rehost.errors import DamagedInputError, InteropError, UsageError
from rehost.files import LocalFile
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
    create,
    make,
    opened,
    ours,
    run,
    scribble,
)
from tests.support.packages import rehost

SCHEMA = Path(__file__).parents[3] / "schemas" / "disk-digest.schema.json"
CHUNK = 64 * KIB
AGAIN = "Make it again with `rehost disk digest --manifest`."


def by_definition(content: bytes, chunk: int, algorithm: str = "sha256") -> bytes:
    """Return the manifest of a disk, made as the definition says and in no other way."""
    first = (
        f'{{"manifest":"rehost disk digest","schema_version":1,"algorithm":"{algorithm}",'
        f'"size":{len(content)},"chunk":{chunk}}}\n'
    )
    parts = [content[at : at + chunk] for at in range(0, len(content), chunk)]
    lines = []
    for zeros, group in groupby(parts, key=lambda part: not any(part)):
        several = list(group)
        if zeros:
            lines.append(f"{len(several)}\n")
        else:
            lines += [f'"{hashlib.new(algorithm, part).hexdigest()}"\n' for part in several]
    text = (first + "".join(lines)).encode()
    return text + f'{{"whole":"{hashlib.new(algorithm, text).hexdigest()}"}}\n'.encode()


def digest(path: Path, chunk: int = CHUNK, algorithm: str = "sha256") -> tuple[bytes, Digested]:
    """Return the manifest we make, and what else is found."""
    image, file = opened(path), BytesIO()
    done = digested(image, Terms(image.size, chunk, algorithm), manifest=file, plain=True)
    return file.getvalue(), done


def manifest_of(path: Path, folder: Path, chunk: int = CHUNK) -> Manifest:
    place = folder / "disk.digest"
    place.write_bytes(digest(path, chunk)[0])
    return Manifest(LocalFile(place))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digest")
    path = create(folder / "disk.raw", RAW, 9 * MIB + 512)
    scribble(path, "raw", 9 * MIB + 512, 7)
    return path


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("chunk", [4 * KIB, CHUNK, MIB, 16 * MIB])
def test_digests_are_made_as_defined(raw: Path, chunk: int, algorithm: str) -> None:
    content = raw.read_bytes()
    text, done = digest(raw, chunk, algorithm)
    assert text == by_definition(content, chunk, algorithm)
    assert done.plain == hashlib.new(algorithm, content).hexdigest()
    assert done.zeros == sum(
        not any(content[at : at + chunk]) for at in range(0, len(content), chunk)
    )


def test_the_whole_digest_is_that_of_the_lines_before_it(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "disk.digest"
    path.write_bytes(digest(raw)[0])
    command = 'head -n -1 "$1" | sha256sum'
    argv = ["sh", "-c", command, "sh", str(path)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == digest(raw)[1].whole == Manifest(LocalFile(path)).whole


@pytest.mark.parametrize("variant", [*VMDKS, *QCOW2S[::4]], ids=str)
def test_the_same_content_has_the_same_digest_in_every_format(
    tmp_path: Path, variant: Variant
) -> None:
    path = make(tmp_path, variant, 6 * MIB, 3)
    expected = as_raw(path, variant.format)
    assert digest(path)[0] == by_definition(expected.read_bytes(), CHUNK)


@pytest.mark.parametrize("name", ["qcow2", "vhd", "vhdx", "vdi", "vmdk"])
def test_what_we_wrote_has_the_digest_of_what_we_read(tmp_path: Path, raw: Path, name: str) -> None:
    path = ours(opened(raw), tmp_path / f"disk.{name}", name)
    content = raw.read_bytes()
    image = opened(path)
    assert digest(path)[0] == by_definition(content + bytes(image.size - len(content)), CHUNK)


@pytest.mark.parametrize(
    "size", [0, 1, 512, CHUNK - 1, CHUNK, CHUNK + 1, 2 * MIB, 2 * MIB + 1, 4 * MIB - 512]
)
@pytest.mark.parametrize("kind", ["random", "zeros", "hole"])
def test_every_size_is_digested_to_its_end(tmp_path: Path, size: int, kind: str) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes({"random": Random(size).randbytes(size), "zeros": bytes(size)}.get(kind, b""))
    os.truncate(path, size)
    text, done = digest(path)
    assert text == by_definition(path.read_bytes(), CHUNK)
    assert done.plain == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_the_tables_call_zero_costs_nothing(tmp_path: Path) -> None:
    path = create(tmp_path / "vast.qcow2", QCOW2S[-1], 60 * TIB)
    image = opened(path)
    done = digested(image, Terms(image.size))
    assert done.zeros == done.terms.chunks == 60 << 20


class Vast:
    """A disk of zeros, as large as there can be."""

    size = 1 << 60
    parent = None
    facts = Facts("vast", None, {})

    def runs(self, start: int, stop: int) -> list[Run]:
        return [Run(start, stop - start, ZERO)]


def test_a_manifest_of_the_largest_disk_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "vast.digest"
    with path.open("wb") as file:
        digested(Vast(), Terms(1 << 60, 4096), manifest=file)  # type: ignore[arg-type]
    assert [entry.chunks for entry in Manifest(LocalFile(path)).entries()] == [1 << 48]


@pytest.mark.parametrize(
    ("terms", "said", "hint"),
    [
        (
            {"chunk": 5000},
            "a chunk cannot have this size (5000)",
            "It is a power of two from 4096 to 16777216.",
        ),
        (
            {"chunk": 1 << 25},
            "a chunk cannot have this size (33554432)",
            "It is a power of two from 4096 to 16777216.",
        ),
        (
            {"algorithm": "crc32"},
            "is no digest that can be asked for ('crc32')",
            "It is one of sha256, sha512, sha384, sha1, blake2b.",
        ),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    terms: dict[str, object], said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Terms(MIB, **terms)  # type: ignore[arg-type]
    assert (str(caught.value), caught.value.hint) == (said, hint)


def test_a_file_cut_while_it_is_read_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(os.urandom(3 * MIB))
    image = opened(path)
    os.truncate(path, MIB)
    with pytest.raises(DamagedInputError) as caught:
        digested(image, Terms(image.size))
    what = "the image is cut short (2097152 bytes of the disk should lie here, 1048576 do)"
    assert str(caught.value) == f"{path} at 0: {what}"


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_every_line_of_a_manifest_keeps_to_the_schema(tmp_path: Path, raw: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    for line in digest(raw)[0].splitlines():
        jsonschema.validate(json.loads(line), schema)


def spoiled(path: Path, lines: list[bytes]) -> tuple[str, str, int]:
    path.write_bytes(b"".join(lines))
    with pytest.raises(InteropError) as caught:
        Manifest(LocalFile(path))
    return str(caught.value).replace(f"{path}", "x"), caught.value.hint, caught.value.exit_code


def test_a_broken_manifest_is_told_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "x.raw"
    path.write_bytes(b"1" * 4096 + bytes(8192) + b"2" * 100)
    first, one, zeros, two, end = digest(path, 4096)[0].splitlines(keepends=True)
    whole = json.loads(end)["whole"]
    short = one[:-3] + b'"'
    wrong = hashlib.sha256(first + one + zeros + one).hexdigest()
    expected: list[tuple[list[bytes], str]] = [
        ([], "x: is no manifest of a disk"),
        ([b"{}\n", one], "x: is no manifest of a disk"),
        ([first], "x: is cut short"),
        ([first, one, zeros, two], "x: is cut short"),
        ([first, one, zeros, two, end[:-1]], "x: is cut short"),
        ([first, one, zeros, end], "x:4: has too few chunks (3, should be 4)"),
        ([first, one, zeros, two, two, end], "x:5: has too many chunks (should be 4)"),
        ([first, one, b"9" * 19 + b"\n"], "x:3: has too many chunks (should be 4)"),
        ([first, b"9" * 20 + b"\n"], f"x:2: {NEITHER} ({b'9' * 20!r})"),
        ([first, b"0\n"], f"x:2: {NEITHER} (b'0')"),
        ([first, b"\n"], f"x:2: {NEITHER} (b'')"),
        ([first, one.upper()], f"x:2: {NEITHER} ({one.upper()[:-1]!r})"),
        ([first, short + b"\n"], f"x:2: {NEITHER} ({short!r})"),
        (
            [first, one, b"1\n", b"1\n"],
            "x:4: counts chunks of zeros that belong to the line before",
        ),
        (
            [first, one, zeros, one, end],
            f"x:5: does not agree with itself (its digest is {wrong})",
        ),
        (
            [first, one, zeros, two, b"{}\n"],
            f"x:5: does not agree with itself (its digest is {whole})",
        ),
        ([first, one, zeros, two, end, b"\n"], "x:6: goes on behind its end"),
        (
            [first.replace(b'"size":12388', b'"size":-1')],
            "x:1: gives the disk no size (-1)",
        ),
        (
            [first.replace(b'"chunk":4096', b'"chunk":1')],
            "x:1: a chunk cannot have this size (1)",
        ),
        (
            [first.replace(b'"chunk":4096', b'"chunk":4096,"more":1')],
            "x:1: is not written as it should be",
        ),
    ]
    for lines, said in expected:
        assert spoiled(path.with_suffix(".digest"), lines) == (said, AGAIN, 3)
    newer = first.replace(b'version":1', b'version":2')
    assert spoiled(path.with_suffix(".digest"), [newer, end]) == (
        "x: is a manifest of another version (2)",
        AGAIN,
        4,
    )


NEITHER = "is no digest and no number of chunks"


def test_a_manifest_with_any_byte_changed_is_refused(tmp_path: Path, raw: Path) -> None:
    path, pick = tmp_path / "x.digest", Random(4)
    text = digest(raw, MIB)[0]
    for _ in range(400):
        content = bytearray(text)
        at = pick.randrange(len(content))
        content[at : at + pick.randrange(3)] = pick.randbytes(pick.randrange(3))
        if bytes(content) != text:
            path.write_bytes(content)
            with pytest.raises(InteropError):
                Manifest(LocalFile(path))


def test_what_was_written_since_is_found(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", QCOW2S[7], 8 * MIB)
    scribble(path, "qcow2", 8 * MIB, 1)
    before = manifest_of(path, tmp_path, 4 * KIB)
    old = as_raw(path, "qcow2").read_bytes()
    assert list(changed_ranges(opened(path), before)) == []
    scribble(path, "qcow2", 8 * MIB, 2, writes=6)
    new = as_raw(path, "qcow2").read_bytes()
    assert list(changed_ranges(opened(path), before)) == by_force(old, new, 4 * KIB)


def by_force(old: bytes, new: bytes, chunk: int) -> list[Stretch]:
    """Return the stretches that differ, each chunk compared."""
    found: list[Stretch] = []
    for at in range(0, len(new), chunk):
        part = new[at : at + chunk]
        if part != old[at : at + chunk]:
            if found and sum(found[-1]) == at:
                found[-1] = Stretch(found[-1].start, found[-1].length + len(part))
            else:
                found.append(Stretch(at, len(part)))
    return found


BLOCKS = st.lists(st.sampled_from([b"\0", b"\0", b"a", b"b"]), max_size=9)


@settings(max_examples=60, deadline=None)
@given(BLOCKS, BLOCKS, st.integers(0, 511), st.integers(0, 511))
def test_any_change_is_found(old: list[bytes], new: list[bytes], less: int, cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contents = []
        for blocks, short in ((old, less), (new, cut)):
            content = b"".join(block * 4096 for block in blocks)
            contents.append(content[: len(content) - short * (len(content) > 0)])
        (folder / "old.raw").write_bytes(contents[0])
        (folder / "new.raw").write_bytes(contents[1])
        before = manifest_of(folder / "old.raw", folder, 4096)
        found = list(changed_ranges(opened(folder / "new.raw"), before))
    assert found == by_force(contents[0], contents[1], 4096)


def test_two_manifests_are_compared_without_their_disks(tmp_path: Path) -> None:
    for name, byte in (("a", b"1"), ("b", b"2")):
        (tmp_path / f"{name}.raw").write_bytes(b"0" * CHUNK + byte * CHUNK + bytes(CHUNK))
    one = manifest_of(tmp_path / "a.raw", tmp_path)
    (tmp_path / "other").mkdir()
    other = manifest_of(tmp_path / "b.raw", tmp_path / "other")
    sizes = [3 * CHUNK, 3 * CHUNK]
    assert compared(one, other) == (sizes, [Stretch(CHUNK, CHUNK)])
    assert compared(one, opened(tmp_path / "b.raw")) == (sizes, [Stretch(CHUNK, CHUNK)])
    assert compared(opened(tmp_path / "a.raw"), one) == (sizes, [])
    (tmp_path / "third").mkdir()
    with pytest.raises(UsageError) as caught:
        compared(one, manifest_of(tmp_path / "b.raw", tmp_path / "third", 4096))
    assert str(caught.value) == (
        "the manifests were made in different ways (sha256 of 65536 bytes and sha256 of 4096 bytes)"
    )
    assert caught.value.hint == "Make one of them again with the other's --chunk and --algorithm."


def test_the_command_prints_the_digests_and_what_changed(tmp_path: Path) -> None:
    disk, place = tmp_path / "disk.raw", tmp_path / "disk.digest"
    disk.write_bytes(b"1" * MIB + bytes(2 * MIB))
    content = disk.read_bytes()
    whole = json.loads(by_definition(content, MIB).splitlines()[-1])["whole"]
    plain = hashlib.sha256(content).hexdigest()
    said = rehost("disk", "digest", disk, "--plain", "--manifest", place)
    text = (
        f"algorithm: sha256\nchunk_size: {MIB}\nsize: {3 * MIB}\n"
        f"digest: {whole}\nplain_digest: {plain}\n"
    )
    assert (said.code, said.out, said.err) == (0, text, "")
    assert place.read_bytes() == by_definition(content, MIB)
    assert rehost("disk", "compare", disk, place).out == "identical\n"
    with disk.open("r+b") as file:
        file.seek(2 * MIB + 5)
        file.write(b"x")
    said = rehost("disk", "digest", disk, "--against", place, "--json")
    document = json.loads(said.out)
    assert (said.code, document["changed"]) == (0, [{"start": 2 * MIB, "length": MIB}])
    assert (document["chunks"], document["zero_chunks"]) == (3, 1)
    said = rehost("disk", "compare", place, disk)
    both = f"{3 * MIB} and {3 * MIB}"
    assert (said.code, said.out) == (1, f"different ({both} bytes)\nchanged: {2 * MIB} {MIB}\n")
    said = rehost("disk", "compare", disk, place, "--json")
    assert json.loads(said.out) == {
        "schema_version": 1,
        "identical": False,
        "changed": [{"start": 2 * MIB, "length": MIB}],
        "sizes": [3 * MIB, 3 * MIB],
    }


def test_an_earlier_snapshot_is_digested_by_name(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", QCOW2S[7], 2 * MIB)
    run("qemu-io", "-c", "write -P 1 0 1M", path)
    before = digest(path, MIB)[1].whole
    run("qemu-img", "snapshot", "-c", "before", path)
    run("qemu-io", "-c", "write -P 2 0 1M", path)
    assert digest(path, MIB)[1].whole != before
    said = rehost("disk", "digest", path, "--snapshot", "before", "--json")
    assert json.loads(said.out)["digest"] == before


def test_the_command_offers_every_algorithm() -> None:
    assert cli_digest.ALGORITHMS == ALGORITHMS


def test_a_manifest_is_not_replaced_unasked(tmp_path: Path, raw: Path) -> None:
    place = tmp_path / "disk.digest"
    place.write_text("mine")
    said = rehost("disk", "digest", raw, "--manifest", place)
    assert (said.code, said.err) == (
        6,
        f"error: {place}: exists already\n"
        "hint: Name another output, or pass --force to replace it.\n",
    )
    assert rehost("disk", "digest", raw, "--manifest", place, "--force").code == 0


MEASURED = """
import sys
from pathlib import Path
from converters.disks.compare import first_difference
from converters.disks.delta import digested
from converters.disks.digest import Terms
from tests.support.images import opened
image = opened(Path(sys.argv[1]))
digested(image, Terms(image.size), plain=True)
assert first_difference(image, opened(Path(sys.argv[1]))) is None
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) >> 10)
"""


def test_memory_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for _ in range(48):
            file.write(b"x" * (8 * MIB))
    argv = [sys.executable, "-c", MEASURED, str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=100)
    assert int(done.stdout) < 200
    assert path.stat().st_size < GIB
