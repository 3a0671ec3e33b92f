"""Packages as they are written: what tar, sha256sum and our own reader say of them."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from pathlib import Path

import pytest

from ovf.judging.validate import validate
from ovf.manifest import Verification
from ovf.package import Package
from ovf.writing.parcel import parcel
from ovf.writing.write import STEP, Contents, Member, held, write_archive, write_folder
from rehost.archive import read_archive
from rehost.errors import InteropError, RefusedError, TransferError
from rehost.files import Held, LocalFile
from tests.ovf.builders import descriptor, item, manifest, pack, said, signed_off, with_disk
from tests.ovf.contents.disk_cases import stream
from tests.support.packages import listing

DISK = stream(65536)
TEXT = with_disk("disk.vmdk", f'ovf:size="{len(DISK)}"').encode()
WHOLE = {"web.ovf": TEXT, "disk.vmdk": DISK}
CERTIFICATE = b"SHA256(web.mf)= 00\n"
SIGNED = {**signed_off(WHOLE), "web.cert": CERTIFICATE}


def contents(**files: bytes) -> Contents:
    members = tuple(held(name.replace("__", "."), content) for name, content in files.items())
    return Contents(held("web.ovf", TEXT), members)


def test_an_archive_is_in_the_standard_s_order_and_its_manifest_true(tmp_path: Path) -> None:
    path = tmp_path / "x.ova"
    write_archive(contents(disk__vmdk=DISK), path)
    assert listing(path) == ["web.ovf", "web.mf", "disk.vmdk"]
    assert [found.rule for found in validate(Package.open(path))] == ["MAN-003"]
    subprocess.run(["tar", "xf", path, "-C", tmp_path], check=True)
    expected = manifest(WHOLE)
    assert (tmp_path / "web.mf").read_bytes() == expected
    tagged = expected.decode().replace("SHA256(", "SHA256 (").replace(")= ", ") = ")
    subprocess.run(["sha256sum", "--check"], input=tagged, text=True, cwd=tmp_path, check=True)


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA384", "SHA512"])
def test_the_manifest_is_in_the_algorithm_asked_for(tmp_path: Path, algorithm: str) -> None:
    made = Contents(held("web.ovf", TEXT), (held("disk.vmdk", DISK),), algorithm)
    write_archive(made, tmp_path / "x.ova")
    write_folder(made, tmp_path / "out")
    assert (tmp_path / "out" / "web.mf").read_bytes() == manifest(WHOLE, algorithm)
    with Verification(Package.open(tmp_path / "x.ova")) as verification:
        assert verification.finish() == []


def test_without_an_algorithm_there_is_no_manifest(tmp_path: Path) -> None:
    made = Contents(held("web.ovf", TEXT), (held("disk.vmdk", DISK),), None)
    write_archive(made, tmp_path / "x.ova")
    assert listing(tmp_path / "x.ova") == ["web.ovf", "disk.vmdk"]
    assert write_folder(made, tmp_path / "out") == ["disk.vmdk", "web.ovf"]


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.ova", "two.ova"):
        write_archive(contents(disk__vmdk=DISK), tmp_path / name)
        os.utime(tmp_path / name, (1, 1))
    assert (tmp_path / "one.ova").read_bytes() == (tmp_path / "two.ova").read_bytes()


def test_large_files_arrive_whole_and_their_zeros_stay_holes(tmp_path: Path) -> None:
    big = tmp_path / "big.vmdk"
    pick = random.Random(3)
    with big.open("wb") as file:
        file.write(pick.randbytes(STEP + 5))
        file.seek(5 * STEP)
        file.write(pick.randbytes(99))
        file.truncate(9 * STEP + 17)
    made = Contents(held("web.ovf", TEXT), (Member("disk.vmdk", lambda: LocalFile(big)),))
    write_archive(made, tmp_path / "x.ova")
    write_folder(made, tmp_path / "out")
    subprocess.run(["cmp", big, tmp_path / "out" / "disk.vmdk"], check=True)
    assert (tmp_path / "out" / "disk.vmdk").stat().st_blocks * 512 < 4 * STEP
    with Verification(Package.open(tmp_path / "x.ova")) as verification:
        assert verification.finish() == []
    extract = ["tar", "xOf", str(tmp_path / "x.ova"), "disk.vmdk"]
    unpacked = subprocess.run(extract, capture_output=True, check=True).stdout
    assert hashlib.sha256(unpacked).digest() == hashlib.sha256(big.read_bytes()).digest()


def test_a_signed_package_that_is_not_changed_stays_signed(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", SIGNED)
    found = parcel(Package.open(source))
    assert found.notes == ()
    write_archive(found.contents, tmp_path / "x.ova")
    assert listing(tmp_path / "x.ova") == ["web.ovf", "web.mf", "web.cert", "disk.vmdk"]
    assert sorted(write_folder(found.contents, tmp_path / "out")) == sorted(SIGNED)
    for name, content in SIGNED.items():
        assert (tmp_path / "out" / name).read_bytes() == content


def test_a_signature_over_other_bytes_is_not_kept_up(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", {**SIGNED, "disk.vmdk": DISK[::-1]})
    with pytest.raises(TransferError) as caught:
        write_archive(parcel(Package.open(source)).contents, tmp_path / "x.ova")
    found, listed = hashlib.sha256(DISK[::-1]).hexdigest(), hashlib.sha256(DISK).hexdigest()
    assert said(caught.value, tmp_path) == (
        f"web.ova!disk.vmdk: SHA256 digest differs from the manifest"
        f" (is {found}, should be {listed})",
        "It was changed or damaged; fetch it again, or make the manifest anew.",
        7,
    )
    assert not (tmp_path / "x.ova").exists()


def test_a_changed_package_loses_its_signature_with_a_word(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", SIGNED)
    found = parcel(Package.open(source), content=TEXT + b"\n")
    assert found.notes == (
        f"{source}: the signature is left out, for it is not of what is written;"
        " sign the result again",
    )
    write_archive(found.contents, tmp_path / "x.ova")
    assert listing(tmp_path / "x.ova") == ["web.ovf", "web.mf", "disk.vmdk"]


def test_what_nothing_refers_to_comes_along_last(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", {"web.ovf": TEXT, "read me": b"1", "disk.vmdk": DISK})
    write_archive(parcel(Package.open(source)).contents, tmp_path / "x.ova")
    members = [member.name for member in parcel(Package.open(tmp_path / "x.ova")).contents.members]
    assert members == ["web.ovf", "disk.vmdk", "read me"]


def test_a_package_in_a_folder_of_its_archive_comes_out_of_it(tmp_path: Path) -> None:
    inside = {f"in/{name}": content for name, content in WHOLE.items()}
    source = pack(tmp_path / "web.ova", {**inside, "beside": b"1"})
    found = parcel(Package.open(source))
    assert found.notes == (
        f"{source}!beside: is left out, for it does not lie beside or below the descriptor",
    )
    write_archive(found.contents, tmp_path / "x.ova")
    assert listing(tmp_path / "x.ova") == ["web.ovf", "web.mf", "disk.vmdk"]


def test_files_in_folders_keep_their_names(tmp_path: Path) -> None:
    text = with_disk("./disks/a/disk.vmdk").encode()
    source = pack(tmp_path / "web.ova", {"web.ovf": text, "disks/a/disk.vmdk": DISK})
    found = parcel(Package.open(source)).contents
    assert write_folder(found, tmp_path / "out") == ["disks/a/disk.vmdk", "web.ovf", "web.mf"]
    assert (tmp_path / "out/disks/a/disk.vmdk").read_bytes() == DISK
    judged = validate(Package.open(tmp_path / "out"))
    assert [each.rule for each in judged] == ["MAN-003", "REF-007"]


def test_a_file_that_lies_there_already_is_not_copied(tmp_path: Path) -> None:
    for name, content in WHOLE.items():
        (tmp_path / name).write_bytes(content)
    before = (tmp_path / "disk.vmdk").stat()
    found = parcel(Package.open(tmp_path / "web.ovf"), content=TEXT + b"\n").contents
    assert write_folder(found, tmp_path, force=True) == ["web.ovf", "web.mf"]
    assert (tmp_path / "disk.vmdk").stat() == before
    assert (tmp_path / "web.mf").read_bytes() == manifest({**WHOLE, "web.ovf": TEXT + b"\n"})


def test_what_is_stale_goes_with_what_is_replaced(tmp_path: Path) -> None:
    for name, content in SIGNED.items():
        (tmp_path / name).write_bytes(content)
    found = parcel(Package.open(tmp_path / "web.ovf"), content=TEXT + b"\n", algorithm=None)
    write_folder(found.contents, tmp_path, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.vmdk", "web.ovf"]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "disk.vmdk").write_bytes(b"mine")
    with pytest.raises(RefusedError) as caught:
        write_folder(contents(disk__vmdk=DISK), tmp_path)
    assert said(caught.value, tmp_path) == (
        "disk.vmdk: exists already",
        "Name another output, or pass --force to replace it.",
        6,
    )
    assert (tmp_path / "disk.vmdk").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("own", "there"), [("web.OVF", ["web.OVF", "web.mf"]), ("web.xml", ["web.ovf", "web.mf"])]
)
def test_however_a_descriptor_is_called(tmp_path: Path, own: str, there: list[str]) -> None:
    write_archive(Contents(held(own, TEXT), (held("disk.vmdk", DISK),)), tmp_path / "x.ova")
    assert listing(tmp_path / "x.ova") == [*there, "disk.vmdk"]
    with Verification(Package.open(tmp_path / "x.ova")) as verification:
        assert verification.finish() == []


def test_a_file_that_shrinks_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    class Shrinking(Held):
        def pread(self, offset: int, length: int) -> bytes:
            return super().pread(offset, length)[:-1]

    member = Member("disk.vmdk", lambda: Shrinking(DISK, "disk.vmdk"))
    with pytest.raises(TransferError) as caught:
        write_archive(Contents(held("web.ovf", TEXT), (member,)), tmp_path / "x.ova")
    assert str(caught.value) == "disk.vmdk: became shorter while it was read"
    assert list(tmp_path.iterdir()) == []


def test_a_file_called_like_the_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InteropError) as caught:
        write_archive(contents(web__mf=b"1"), tmp_path / "x.ova")
    assert said(caught.value, tmp_path) == (
        "x.ova: would hold the same name twice ('web.mf')",
        "",
        6,
    )


def test_a_file_of_the_package_that_is_missing_leaves_nothing(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", {"web.ovf": TEXT})
    with pytest.raises(InteropError) as caught:
        parcel(Package.open(source))
    assert said(caught.value, tmp_path)[0] == (
        "web.ova!web.ovf:3: names a file that is not in the package ('disk.vmdk')"
    )


def test_chunks_and_files_elsewhere(tmp_path: Path) -> None:
    references = (
        '<File ovf:id="a" ovf:href="a.vmdk" ovf:chunkSize="8" ovf:size="11"/>'
        '<File ovf:id="b" ovf:href="http://192.0.2.1/b.vmdk"/>'
    )
    text = descriptor(item(InstanceID=1, ResourceType=3), references=references).encode()
    chunks = {"a.vmdk.000000000": b"12345678", "a.vmdk.000000001": b"123"}
    source = pack(tmp_path / "web.ova", {"web.ovf": text, **chunks})
    write_archive(parcel(Package.open(source)).contents, tmp_path / "x.ova")
    assert listing(tmp_path / "x.ova") == ["web.ovf", "web.mf", *chunks]


def test_a_member_that_lies_alike_is_copied_from_block_to_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a file system that can shares them: behind the first piece, both begin at blocks."""
    content = random.Random(6).randbytes(3 * STEP + 1000)
    first, second = tmp_path / "first.ova", tmp_path / "second.ova"
    parts = Contents(held("a.ovf", b"x"), (held("disk", content),))
    write_archive(parts, first)
    asked: list[tuple[int, int, int]] = []
    copy = os.copy_file_range

    def noting(source: int, into: int, length: int, start: int, at: int) -> int:
        asked.append((start, at, length))
        return copy(source, into, length, start, at)

    monkeypatch.setattr("ovf.writing.write.os.copy_file_range", noting)
    archive = read_archive(LocalFile(first))
    [disk] = [each for each in archive.members if each.name == "disk"]
    inside = Member("disk", lambda: archive.window(disk))
    write_archive(Contents(held("a.ovf", b"y"), (inside,)), second)
    assert len(asked) == 4
    assert {start % 4096 for start, _, _ in asked[1:]} == {0}
    assert all(start == at for start, at, _ in asked)
    written = read_archive(LocalFile(second))
    [disk] = [each for each in written.members if each.name == "disk"]
    assert written.window(disk).pread(0, len(content) + 1) == content
