"""Reading all of a package in one pass: digests, damage, and what the guest would see."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from converters.probe import PROBE
from ovf.contents.deep import read_everything
from ovf.contents.disks import contents
from ovf.judging.validate import validate
from ovf.package import Package
from rehost.report import Severity
from tests.ovf.builders import STREAM, beside, manifest, pack, signed_off
from tests.ovf.contents.disk_cases import (
    IS_CUT,
    QCOW2,
    RAW,
    SIZE,
    SOUND,
    STREAM_WALK,
    VMWARE,
    cut_short,
    image,
    stream,
)
from tests.support.images import Variant as Kind
from tests.support.images import converted
from tests.support.packages import MIB, raw_disk, rehost, web
from tests.support.packages import stream as stream_file

OF_THE_DISK = ("vmdk stream", "vmdk monolithicSparse", "vhd", "vhd fixed", "vhdx", "qcow2", "raw")


class Watched:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.phases: list[str] = []

    def start(self, phase: str, total: int) -> None:
        self.phases.append(phase)
        self.total += total

    def advance(self, done: int) -> None:
        self.done += done

    def close(self) -> None:
        self.phases.append("closed")


def deep(package: Package) -> list[str]:
    """Read everything, judge, and return what is wrong."""
    package.probe = PROBE
    read_everything(package)
    return [
        f"{found.rule} {found.location}: {found.message}"
        for found in validate(package)
        if found.severity > Severity.INFO
    ]


def told(package: Package, folder: Path) -> list[str]:
    return [line.replace(f"{folder}/", "") for line in deep(package)]


def digest_of(package: Package) -> str | None:
    [found] = package.once(contents)
    assert found.content
    return found.content.digest


def witness() -> str:
    """Return the digest of the disk as its definition gives it, made by nothing of ours."""
    raw = image("raw")
    head = {
        "manifest": "rehost disk digest",
        "schema_version": 1,
        "algorithm": "sha256",
        "size": len(raw),
        "chunk": MIB,
    }
    text, zeros = json.dumps(head, separators=(",", ":")) + "\n", 0
    for at in range(0, len(raw), MIB):
        chunk = raw[at : at + MIB]
        if any(chunk):
            text += f"{zeros}\n" if zeros else ""
            text += f'"{hashlib.sha256(chunk).hexdigest()}"\n'
        zeros = 0 if any(chunk) else zeros + 1
    text += f"{zeros}\n" if zeros else ""
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", OF_THE_DISK)
def test_the_digest_is_of_what_the_guest_sees_in_any_format(name: str, tmp_path: Path) -> None:
    package = Package.open(SOUND[name](tmp_path))
    assert deep(package) == []
    assert digest_of(package) == witness()


def test_a_disk_in_gzip_is_read_whole(tmp_path: Path) -> None:
    package = Package.open(SOUND["gzip"](tmp_path))
    assert deep(package) == []
    [found] = package.once(contents)
    assert found.facts
    assert found.facts.virtual_size == SIZE
    assert digest_of(package) == witness()


def test_chunks_are_read_as_one_disk_and_digested_one_by_one(tmp_path: Path) -> None:
    disk = stream()
    chunks = {f"disk.vmdk.{n:09}": disk[n * 100_000 : (n + 1) * 100_000] for n in range(6)}
    chunks = {name: content for name, content in chunks.items() if content}
    members = signed_off({"web.ovf": web(file_more='ovf:chunkSize="100000"'), **chunks})
    package = Package.open(pack(tmp_path / "x.ova", members))
    assert deep(package) == []
    assert digest_of(package) == witness()
    wrong = dict(members)
    wrong["disk.vmdk.000000002"] = bytes(100_000)
    package = Package.open(pack(tmp_path / "x.ova", wrong))
    said = {line.partition(" digest")[0] for line in told(package, tmp_path)}
    assert "MAN-004 x.ova!disk.vmdk.000000002: SHA256" in said
    assert len(said) == 2


def test_a_flat_disk_and_its_manifest_are_read_in_one_pass(tmp_path: Path) -> None:
    described = image("vmdk", "subformat=monolithicFlat").replace(b"disk-flat", b"flat.vmdk")
    text = web(form=f"{VMWARE}#monolithicFlat")
    files = {"web.ovf": text, "disk.vmdk": described, "flat.vmdk": image("raw")}
    package = beside(tmp_path, text.decode(), {**files, "web.mf": manifest(files)})
    extent = "web.mf:3: manifest lists a file that nothing refers to ('flat.vmdk')"
    assert told(package, tmp_path) == [f"MAN-014 {extent}"]
    assert digest_of(package) == witness()


def damaged(at: int, content: bytes) -> dict[str, bytes]:
    """Return signed members whose disk was changed at a place afterwards."""
    members = signed_off({"web.ovf": web(), "disk.vmdk": stream()})
    disk = bytearray(members["disk.vmdk"])
    disk[at : at + len(content)] = content
    return {**members, "disk.vmdk": bytes(disk)}


def test_a_damaged_block_is_found_and_the_rest_is_digested(tmp_path: Path) -> None:
    sector, place = sorted(STREAM_WALK.places.items())[3]
    members = damaged(place * 512 + 40, b"\0" * 200)
    found = told(Package.open(pack(tmp_path / "x.ova", members)), tmp_path)
    is_now = hashlib.sha256(members["disk.vmdk"]).hexdigest()
    should = hashlib.sha256(stream()).hexdigest()
    assert found[0] == (
        "MAN-004 x.ova!disk.vmdk: SHA256 digest differs from the manifest"
        f" (is {is_now}, should be {should})"
    )
    assert found[1].startswith(
        f"DSK-020 x.ova!disk.vmdk at {place * 512}: a compressed block is damaged ("
    )
    assert len(found) == 2
    assert sector


def test_a_marker_that_names_another_place_is_found(tmp_path: Path) -> None:
    sector, place = sorted(STREAM_WALK.places.items())[3]
    members = damaged(place * 512, struct.pack("<Q", sector + 128))
    found = told(Package.open(pack(tmp_path / "x.ova", members)), tmp_path)
    assert found[1] == (
        f"DSK-020 x.ova!disk.vmdk at {place * 512}: a compressed block is damaged"
        f" (its marker names sector {sector + 128}, should be {sector})"
    )


def test_grains_out_of_the_disks_order_are_found(tmp_path: Path) -> None:
    disk = bytearray(stream())
    header = STREAM_WALK.header
    (first, a), (second, b) = sorted(STREAM_WALK.places.items())[:2]
    pieces = [disk[a * 512 : b * 512], disk[b * 512 : sorted(STREAM_WALK.places.values())[2] * 512]]
    disk[a * 512 : a * 512 + len(pieces[0]) + len(pieces[1])] = pieces[1] + pieces[0]
    moved = {second // 128: a, first // 128: a + len(pieces[1]) // 512}
    for directory in (header["directory"], header["redundant"]):
        table = struct.unpack_from("<I", disk, directory * 512)[0]
        for grain, place in moved.items():
            struct.pack_into("<I", disk, table * 512 + grain * 4, place)
    package = Package.open(pack(tmp_path / "x.ova", {"web.ovf": web(), "disk.vmdk": bytes(disk)}))
    assert told(package, tmp_path) == [
        "DSK-026 x.ova!disk.vmdk: its grains do not lie in the order of the disk"
    ]
    assert digest_of(package) == witness()


def test_a_disk_with_damaged_tables_is_only_digested(tmp_path: Path) -> None:
    members = signed_off({"web.ovf": web(), "disk.vmdk": cut_short()})
    package = Package.open(pack(tmp_path / "x.ova", members))
    assert told(package, tmp_path) == [
        f"DSK-020 x.ova!disk.vmdk: {IS_CUT}",
        "DSK-024 x.ova!disk.vmdk: the stream has no end-of-stream marker",
        "DSK-026 x.ova!disk.vmdk: 1 of its grain tables are damaged, redundant ones are used",
    ]


def test_progress_counts_every_byte_of_the_files(tmp_path: Path) -> None:
    members = signed_off({"web.ovf": web(), "disk.vmdk": stream(), "more.txt": b"12345"})
    watched = Watched()
    read_everything(Package.open(pack(tmp_path / "x.ova", members)), watched)
    size = sum(len(members[name]) for name in ("web.ovf", "disk.vmdk", "more.txt"))
    assert (watched.phases, watched.total, watched.done) == (["reading", "closed"], size, size)


def test_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = raw_disk(tmp_path / "disk.raw", 64 * MIB)
    with raw.open("r+b") as file:
        file.write(os.urandom(48 * MIB))
    disk = stream_file(raw, tmp_path / "disk.vmdk").read_bytes()
    path = pack(
        tmp_path / "x.ova", signed_off({"web.ovf": web(capacity=64 * MIB), "disk.vmdk": disk})
    )
    read, plain = [], os.pread

    def counting(fd: int, length: int, offset: int) -> bytes:
        read.append(length)
        return plain(fd, length, offset)

    package = Package.open(path)
    monkeypatch.setattr("rehost.files.os.pread", counting)
    assert {line.partition(" ")[0] for line in deep(package)} <= {"DSK-014", "DSK-024"}
    assert len(disk) <= sum(read) < 1.05 * len(disk)


@pytest.mark.parametrize("listed", [True, False])
def test_holes_of_a_disk_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    """Data far behind a hole is read once all the same, and progress comes to its end."""
    size, pick = 256 * MIB, random.Random(9)
    with (tmp_path / "disk.raw").open("wb") as file:
        file.truncate(size)
        for at in (0, 100 * MIB, 250 * MIB):
            file.seek(at)
            file.write(pick.randbytes(3 * MIB))
    text = web(href="disk.raw", form=RAW, capacity=size)
    (tmp_path / "web.ovf").write_bytes(text)
    if listed:
        digest = hashlib.sha256((tmp_path / "disk.raw").read_bytes()).hexdigest()
        own = hashlib.sha256(text).hexdigest()
        (tmp_path / "web.mf").write_text(f"SHA256(web.ovf)= {own}\nSHA256(disk.raw)= {digest}\n")
    read, plain, watched = [], os.pread, Watched()

    def counting(fd: int, length: int, offset: int) -> bytes:
        read.append(length)
        return plain(fd, length, offset)

    package = Package.open(tmp_path / "web.ovf")
    package.probe = PROBE
    monkeypatch.setattr("rehost.files.os.pread", counting)
    read_everything(package, watched)
    assert 9 * MIB <= sum(read) < 16 * MIB
    assert [each.rule for each in validate(package) if each.severity > Severity.INFO] == []
    assert watched.done == watched.total or not listed
    assert digest_of(package) == rehost("disk", "digest", tmp_path / "disk.raw").out.split()[-1]


FIXED = "http://technet.microsoft.com/en-us/virtualserver/bb676673.aspx#monolithic_flat"
GZIPPED: dict[str, tuple[Kind | None, str, str, int]] = {
    "stream": (Kind("vmdk", "vmdk", "subformat=streamOptimized"), "disk.vmdk.gz", STREAM, 1),
    "raw": (None, "disk.img.gz", RAW, 1),
    "tables all over": (Kind("qcow2", "qcow2"), "disk.gz", QCOW2, 2),
    "footer at the end": (Kind("vpc", "vpc", "subformat=fixed,force_size=on"), "d.gz", FIXED, 2),
}


@pytest.mark.parametrize("kind", GZIPPED)
def test_a_disk_in_gzip_is_unpacked_once_where_that_can_be(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, href, form, times = GZIPPED[kind]
    raw = tmp_path / "disk.raw"
    raw.write_bytes(random.Random(3).randbytes(16 * MIB))
    plain = (converted(raw, "raw", tmp_path / "disk", made) if made else raw).read_bytes()
    text = web(href=href, form=form, file_more='ovf:compression="gzip"', capacity=16 * MIB)
    path = pack(tmp_path / "x.ova", {"web.ovf": text, href: gzip.compress(plain, 1)})
    unpacked, inflate = [], zlib.decompressobj

    class Counting:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def decompress(self, *asked: Any) -> bytes:
            found: bytes = self._inner.decompress(*asked)
            unpacked.append(len(found))
            return found

        def copy(self) -> Counting:
            return Counting(self._inner.copy())

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    monkeypatch.setattr("rehost.files.zlib.decompressobj", lambda *asked: Counting(inflate(*asked)))
    package = Package.open(path)
    assert {line.split()[0] for line in deep(package)} <= {"DSK-014", "DSK-024"}
    assert digest_of(package) == rehost("disk", "digest", raw).out.split()[-1]
    [found] = package.once(contents)
    assert found.facts
    assert found.facts.virtual_size == 16 * MIB
    # The start is looked at before, and headers once more behind.
    assert len(plain) <= sum(unpacked) <= times * len(plain) + 4 * MIB


def test_gzip_whose_end_does_not_tell_its_size_is_read_all_the_same(tmp_path: Path) -> None:
    """Two streams one behind the other: the last bytes are the size of the second alone."""
    plain = image("raw")
    packed = gzip.compress(plain[: 5 * MIB]) + gzip.compress(plain[5 * MIB :])
    text = web(href="disk.gz", form=RAW, file_more='ovf:compression="gzip"', capacity=SIZE)
    package = Package.open(pack(tmp_path / "x.ova", {"web.ovf": text, "disk.gz": packed}))
    assert deep(package) == []
    assert digest_of(package) == witness()


def test_a_disk_in_gzip_that_is_cut_short_is_damage(tmp_path: Path) -> None:
    packed = gzip.compress(stream())[:-1000]
    text = web(href="disk.vmdk.gz", file_more='ovf:compression="gzip"')
    package = Package.open(pack(tmp_path / "x.ova", {"web.ovf": text, "disk.vmdk.gz": packed}))
    [line] = told(package, tmp_path)
    assert line.startswith("DSK-020 x.ova!disk.vmdk.gz at ")
    assert line.endswith(": gzip stream ends early")


def test_a_bomb_in_gzip_takes_no_memory(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(1 << 28))
    text = web(href="disk.img.gz", file_more='ovf:compression="gzip"', capacity=1 << 28)
    path = pack(tmp_path / "x.ova", {"web.ovf": text, "disk.img.gz": packed})
    package = Package.open(path)
    assert "DSK-012" in " ".join(deep(package))
    assert digest_of(package)


def test_the_command_reads_everything_and_says_how_far_it_is(tmp_path: Path) -> None:
    members = signed_off({"web.ovf": web(), "disk.vmdk": stream()})
    path = pack(tmp_path / "x.ova", members)
    done = rehost("--progress", "json", "validate", "--deep", "--format", "json", path)
    assert done.code == 0
    lines = [json.loads(line) for line in done.err.splitlines()]
    size = len(members["web.ovf"]) + len(members["disk.vmdk"])
    assert {(line["phase"], line["total"]) for line in lines} == {("reading", size)}
    assert lines[-1]["done"] == size
    assert json.loads(done.out)["sources"][0]["disks"] == [
        {
            "id": "d",
            "file": f"{path}!disk.vmdk",
            "format": "vmdk",
            "variant": "streamOptimized",
            "virtual_size": SIZE,
            "populated_size": len(STREAM_WALK.grains) * 65536,
            "adapter_type": "ide",
            "stream_version": 3,
            "stream_end": len(stream()),
            "bytes_behind_end": 0,
            "digest": witness(),
        }
    ]


def test_the_command_reads_no_block_unless_it_is_told_to(tmp_path: Path) -> None:
    path = SOUND["qcow2"](tmp_path)
    [source] = json.loads(rehost("validate", "--format", "json", path).out)["sources"]
    [disk] = source["disks"]
    assert (disk["format"], disk["virtual_size"], disk["digest"]) == ("qcow2", SIZE, None)
    shown = rehost("validate", "--descriptor-only", "--format", "json", path)
    assert json.loads(shown.out)["sources"][0]["disks"] == []


def test_deep_and_descriptor_only_exclude_each_other(tmp_path: Path) -> None:
    done = rehost("validate", "--deep", "--descriptor-only", SOUND["qcow2"](tmp_path))
    assert (done.code, done.err) == (
        2,
        "error: --deep and --descriptor-only exclude each other\n",
    )


def test_a_read_error_is_an_error_of_the_transfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = web(href="disk.qcow2", form=QCOW2)
    path = pack(tmp_path / "x.ova", signed_off({"web.ovf": text, "disk.qcow2": image("qcow2")}))
    package = Package.open(path)
    package.probe = PROBE
    package.once(contents)
    plain = os.pread

    def failing(fd: int, length: int, offset: int) -> bytes:
        if offset > 100_000:
            raise OSError(5, "Input/output error")
        return plain(fd, length, offset)

    monkeypatch.setattr("rehost.files.os.pread", failing)
    done = []
    try:
        read_everything(package)
    except Exception as error:
        done.append(f"{type(error).__name__}: {error}".replace(f"{tmp_path}/", ""))
    assert done[0].startswith("TransferError: x.ova at ")
    assert done[0].endswith(": cannot be read (Input/output error)")
