"""Packages in all their shapes, and the files a descriptor names."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from ovf.package import Package
from rehost.errors import (
    DamagedInputError,
    InteropError,
    RefusedError,
    UnsupportedInputError,
    UsageError,
)
from rehost.files import File
from tests.ovf.builders import beside, descriptor, pack, said, with_disk

DISK = bytes(range(256)) * 256
ABSENT = "Put the file beside the descriptor, or fetch the package again."
OUTSIDE = "A package may only use files beside it; do not trust this one."
SIZE = "Copy or download it again, or correct ovf:size."


def content(file: File) -> bytes:
    return file.pread(0, 1 << 20)


def only_file(package: Package) -> bytes:
    return content(package.file_for(package.envelope.references[0]))


def in_archive(folder: Path, text: str, files: dict[str, bytes]) -> Package:
    return Package.open(pack(folder / "web.ova", {"web.ovf": text.encode(), **files}))


def in_gzip(folder: Path, text: str, files: dict[str, bytes]) -> Package:
    in_archive(folder, text, files)
    path = folder / "web.ova.gz"
    path.write_bytes(gzip.compress((folder / "web.ova").read_bytes()))
    return Package.open(path)


def in_folder(folder: Path, text: str, files: dict[str, bytes]) -> Package:
    beside(folder, text, files)
    return Package.open(folder)


SHAPES = [in_archive, in_gzip, beside, in_folder]
each_shape = pytest.mark.parametrize("shape", SHAPES)


@each_shape
def test_a_package_is_the_same_in_every_shape(tmp_path: Path, shape: object) -> None:
    assert callable(shape)
    package = shape(tmp_path, with_disk("disk.vmdk", 'ovf:size="65536"'), {"disk.vmdk": DISK})
    assert package.descriptor.name == "web.ovf"
    assert package.envelope.references[0].href == "disk.vmdk"
    assert {"web.ovf", "disk.vmdk"} <= set(package.names())
    assert only_file(package) == DISK
    assert content(package.member("disk.vmdk")) == DISK
    assert content(package.file_named("disk.vmdk")) == DISK


@each_shape
def test_chunks_are_joined(tmp_path: Path, shape: object) -> None:
    assert callable(shape)
    more = 'ovf:chunkSize="30000" ovf:size="65536"'
    chunks = {f"disk.vmdk.{n:09}": DISK[n * 30000 : (n + 1) * 30000] for n in range(3)}
    package = shape(tmp_path, with_disk("disk.vmdk", more), chunks)
    assert only_file(package) == DISK
    assert package.stored_names(package.envelope.references[0]) == tuple(chunks)


@each_shape
def test_compressed_files_are_inflated_after_their_chunks_are_joined(
    tmp_path: Path, shape: object
) -> None:
    assert callable(shape)
    packed = gzip.compress(DISK, mtime=0)
    more = 'ovf:chunkSize="200" ovf:compression="gzip"'
    starts = range(0, len(packed), 200)
    chunks = {f"disk.gz.{n:09}": packed[at : at + 200] for n, at in enumerate(starts)}
    assert only_file(shape(tmp_path, with_disk("disk.gz", more), chunks)) == DISK


@each_shape
def test_a_compressed_file_in_one_piece_is_inflated(tmp_path: Path, shape: object) -> None:
    assert callable(shape)
    text = with_disk("disk.gz", 'ovf:compression="gzip"')
    assert only_file(shape(tmp_path, text, {"disk.gz": gzip.compress(DISK)})) == DISK


@each_shape
def test_percent_encoded_names_are_decoded(tmp_path: Path, shape: object) -> None:
    assert callable(shape)
    text = with_disk("my%20disk%20%C3%BC.vmdk")
    assert only_file(shape(tmp_path, text, {"my disk ü.vmdk": DISK})) == DISK


def test_a_name_that_was_never_encoded_is_found_as_it_is(tmp_path: Path) -> None:
    package = beside(tmp_path, with_disk("100%25.vmdk"), {"100%25.vmdk": DISK})
    assert only_file(package) == DISK


def test_names_are_relative_to_a_descriptor_in_a_folder_of_the_archive(tmp_path: Path) -> None:
    members = {"vm/web.ovf": with_disk("images/disk.vmdk").encode(), "vm/images/disk.vmdk": DISK}
    package = Package.open(pack(tmp_path / "web.ova", members))
    assert package.descriptor.name == "vm/web.ovf"
    assert only_file(package) == DISK


def test_an_archive_is_known_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    path = pack(tmp_path / "machine.bin", {"web.ovf": with_disk().encode(), "disk.vmdk": DISK})
    assert only_file(Package.open(path)) == DISK


def test_a_colon_in_a_name_is_no_drive_and_no_scheme(tmp_path: Path) -> None:
    members = {
        "Web: Server.ovf": with_disk("Web: Server-disk1.vmdk").encode(),
        "Web: Server.mf": b"",
        "Web: Server-disk1.vmdk": DISK,
    }
    package = Package.open(pack(tmp_path / "web.ova", members))
    assert package.descriptor.name == "Web: Server.ovf"
    assert package.manifest_name == "Web: Server.mf"
    assert only_file(package) == DISK


def failing(package: Package, folder: Path) -> tuple[str, str, int]:
    with pytest.raises(InteropError) as caught:
        package.file_for(package.envelope.references[0])
    return said(caught.value, folder)


def test_a_missing_member_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    missing = "names a file that is not in the package ('disk.vmdk')"
    assert failing(beside(tmp_path, with_disk()), tmp_path) == (f"web.ovf:3: {missing}", ABSENT, 3)
    (tmp_path / "web.ovf").unlink()
    package = in_archive(tmp_path, with_disk(), {})
    assert failing(package, tmp_path) == (f"web.ova!web.ovf:3: {missing}", ABSENT, 3)


@each_shape
def test_a_missing_chunk_is_told_by_its_name(tmp_path: Path, shape: object) -> None:
    assert callable(shape)
    more = 'ovf:chunkSize="30000" ovf:size="65536"'
    chunks = {f"disk.vmdk.{n:09}": DISK[n * 30000 : (n + 1) * 30000] for n in range(2)}
    message, hint, code = failing(shape(tmp_path, with_disk("disk.vmdk", more), chunks), tmp_path)
    assert message.endswith(
        "web.ovf:3: names a file that is not in the package ('disk.vmdk.000000002')"
    )
    assert (hint, code) == (ABSENT, 3)


def test_a_chunk_of_another_size_is_damage(tmp_path: Path) -> None:
    chunks = {"disk.vmdk.000000000": b"x" * 9, "disk.vmdk.000000001": b"x" * 5}
    package = beside(tmp_path, with_disk("disk.vmdk", 'ovf:chunkSize="10"'), chunks)
    assert failing(package, tmp_path) == (
        "disk.vmdk.000000000: chunk is not of its size (is 9 bytes, should be 10)",
        "Copy or download it again.",
        3,
    )


@pytest.mark.parametrize("size", [65535, 65537])
def test_a_file_of_another_size_than_stated_is_damage(tmp_path: Path, size: int) -> None:
    text = with_disk("disk.vmdk", f'ovf:size="{size}"')
    package = in_archive(tmp_path, text, {"disk.vmdk": DISK})
    message = f"web.ova!disk.vmdk: is 65536 bytes, but web.ovf:3 says {size}"
    assert failing(package, tmp_path) == (message, SIZE, 3)


HREFS = {
    "https://example.org/disk.vmdk": (
        "file is not in the package ('https://example.org/disk.vmdk')",
        "Download it beside the descriptor and name it in ovf:href.",
        4,
    ),
    "../disk.vmdk": ("names a file outside its own folder ('../disk.vmdk')", OUTSIDE, 6),
    "%2e%2e/disk.vmdk": ("names a file outside its own folder ('../disk.vmdk')", OUTSIDE, 6),
    "/etc/passwd": ("names a file outside its own folder ('/etc/passwd')", OUTSIDE, 6),
    "..\\disk.vmdk": ("names a file outside its own folder ('..\\\\disk.vmdk')", OUTSIDE, 6),
    "file:///etc/passwd": (
        "names a file outside its own folder ('file:///etc/passwd')",
        OUTSIDE,
        6,
    ),
    "C:/disk.vmdk": ("names a file outside its own folder ('C:/disk.vmdk')", OUTSIDE, 6),
    "": ("File has no ovf:href", "", 3),
    "x" * 300: (f"names a file that is not in the package ('{'x' * 300}')", ABSENT, 3),
}


@pytest.mark.parametrize("href", HREFS)
@pytest.mark.parametrize("shape", [in_archive, beside])
def test_an_href_that_leads_elsewhere_is_not_followed(
    tmp_path: Path, href: str, shape: object
) -> None:
    assert callable(shape)
    message, hint, code = failing(shape(tmp_path, with_disk(href), {}), tmp_path)
    assert (message.partition(":3: ")[2], hint, code) == HREFS[href]


def test_a_symbolic_link_beside_the_descriptor_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "disk.vmdk").symlink_to("/etc/passwd")
    assert failing(beside(tmp_path, with_disk()), tmp_path) == (
        "web.ovf:3: names a symbolic link ('disk.vmdk')",
        "Replace the link by the file it stands for, if you trust it.",
        6,
    )


def test_an_unknown_compression_is_not_read(tmp_path: Path) -> None:
    package = beside(tmp_path, with_disk("disk.vmdk", 'ovf:compression="xz"'), {"disk.vmdk": DISK})
    message = "web.ovf:3: file is compressed in a way that is not read ('xz')"
    assert failing(package, tmp_path) == (message, "", 4)


def opening(path: Path, folder: Path) -> tuple[type[InteropError], str, str]:
    with pytest.raises(InteropError) as caught:
        Package.open(path)
    message, hint, _ = said(caught.value, folder)
    return type(caught.value), message, hint


def test_a_truncated_archive_says_what_is_missing(tmp_path: Path) -> None:
    path = pack(tmp_path / "web.ova", {"web.ovf": with_disk().encode(), "disk.vmdk": DISK})
    start = path.read_bytes().index(DISK)
    os.truncate(path, start + 60000)
    message = "web.ova: is cut short in member 'disk.vmdk' (5536 bytes are missing)"
    assert opening(path, tmp_path) == (DamagedInputError, message, "Copy or download it again.")


def test_what_is_no_package_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "web"
    path.write_bytes(b"MZ\x90\0" * 400)
    what = "web: is neither an OVF descriptor nor an OVA"
    assert opening(path, tmp_path) == (DamagedInputError, what, "")
    path.write_bytes(b"\xfd7zXZ\0" + bytes(2000))
    what = "web: is compressed with xz"
    assert opening(path, tmp_path) == (UnsupportedInputError, what, "Unpack it first.")
    path.write_bytes(gzip.compress(with_disk().encode()))
    assert opening(path, tmp_path) == (
        UnsupportedInputError,
        "web: is a descriptor compressed with gzip",
        "Unpack it first, with gunzip; beside it must lie the files it names.",
    )
    pack(path, {"readme": b""})
    assert opening(path, tmp_path) == (DamagedInputError, "web: holds no OVF descriptor", "")
    pack(path, {"a.ovf": b"", "b.ovf": b""})
    assert opening(path, tmp_path) == (
        DamagedInputError,
        "web: holds 2 descriptors (a.ovf, b.ovf)",
        "A package has one; unpack it and name the descriptor you mean.",
    )
    assert opening(tmp_path / "none.ova", tmp_path) == (
        UsageError,
        "none.ova: no such file",
        "",
    )


@pytest.mark.parametrize("folder", ["/", "/srv/out/", "C:/", "./D:\\"])
def test_absolute_names_keep_nobody_from_judging_the_rest(tmp_path: Path, folder: str) -> None:
    members = {f"{folder}web.ovf": with_disk().encode(), f"{folder}disk.vmdk": DISK}
    path = pack(tmp_path / "web.ova", members)
    package = Package.open(path, tolerant=True)
    assert package.descriptor.name.endswith("web.ovf")
    assert only_file(package) == DISK
    assert package.archive is not None
    assert [error.what for error in package.archive.unsafe] == [
        f"holds a member with an absolute name ({name!r})" for name in members
    ]
    with pytest.raises(RefusedError):
        Package.open(path)


def test_who_only_judges_is_told_why_a_descriptor_is_left_out(tmp_path: Path) -> None:
    path = pack(tmp_path / "web.ova", {"../web.ovf": b""})
    with pytest.raises(RefusedError) as caught:
        Package.open(path, tolerant=True)
    assert said(caught.value, tmp_path) == (
        "web.ova at 0: holds a member that leads outside it ('../web.ovf')",
        "Do not unpack this archive anywhere; ask its maker for another.",
        6,
    )


def test_a_folder_must_hold_one_descriptor(tmp_path: Path) -> None:
    folder = tmp_path / "vm"
    folder.mkdir()
    assert opening(folder, tmp_path) == (DamagedInputError, "vm: holds no OVF descriptor", "")
    (folder / "a.ovf").touch()
    (folder / "b.ovf").touch()
    assert opening(folder, tmp_path) == (
        UsageError,
        "vm: holds 2 descriptors (a.ovf, b.ovf)",
        "Name the one you mean.",
    )


def test_what_macos_adds_to_a_folder_is_not_counted(tmp_path: Path) -> None:
    beside(tmp_path, descriptor(), {"._web.ovf": b"\0\5\x16\7"})
    package = Package.open(tmp_path)
    assert (package.descriptor.name, package.names()) == ("web.ovf", ("web.ovf",))


def test_a_member_is_opened_below_the_folder_only(tmp_path: Path) -> None:
    package = beside(tmp_path, descriptor())
    with pytest.raises(RefusedError) as caught:
        package.member("../secret")
    assert said(caught.value, tmp_path) == (
        "web.ovf: names a file outside its own folder ('../secret')",
        OUTSIDE,
        6,
    )


def test_a_twin_of_a_compressed_package_reads_on_its_own(tmp_path: Path) -> None:
    package = in_gzip(tmp_path, with_disk(), {"disk.vmdk": DISK})
    twin = package.twin()
    assert content(package.member("disk.vmdk")) == content(twin.member("disk.vmdk")) == DISK
    assert package.archive is not None
    assert twin.archive is not None
    assert package.archive.file is not twin.archive.file
