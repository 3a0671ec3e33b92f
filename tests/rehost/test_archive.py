"""The tar index, beside Python's own tarfile and GNU tar."""

from __future__ import annotations

import gzip
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.archive import BLOCK, MOST_DEFECTS, MOST_MEMBERS, Dialect, read_archive
from rehost.errors import DamagedInputError, InteropError, RefusedError, UnsupportedInputError
from rehost.files import File, Inflated, LocalFile
from tests.ovf.builders import pack, said

DISTRUST = "Do not unpack this archive anywhere; ask its maker for another."
AGAIN = "Copy or download it again."


class Bytes:
    """A file in memory."""

    def __init__(self, content: bytes) -> None:
        self.name = "x.ova"
        self.content = content
        self.size = len(content)

    def pread(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]

    def stretches(self, offset: int, length: int) -> None:
        return None


def listing(file: File) -> list[tuple[str, int, int]]:
    return [(member.name, member.offset, member.size) for member in read_archive(file).members]


def by_tarfile(path: Path) -> list[tuple[str, int, int]]:
    with tarfile.open(path) as archive:
        return [(entry.name, entry.offset_data, entry.size) for entry in archive if entry.isfile()]


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), link
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % BLOCK)


@pytest.mark.parametrize(
    ("form", "dialect"),
    [
        (tarfile.USTAR_FORMAT, Dialect.USTAR),
        (tarfile.GNU_FORMAT, Dialect.GNU),
        (tarfile.PAX_FORMAT, Dialect.USTAR),
    ],
)
def test_members_are_where_tarfile_finds_them(tmp_path: Path, form: int, dialect: Dialect) -> None:
    members = {"web.ovf": b"<x/>", "empty": b"", "disk.vmdk": bytes(range(256)) * 9}
    path = pack(tmp_path / "web.ova", members, form=form)
    archive = read_archive(LocalFile(path))
    assert listing(LocalFile(path)) == by_tarfile(path)
    assert {member.dialect for member in archive.members} == {dialect}
    assert archive.ended
    disk = archive.window(archive.members[2])
    assert disk.name == f"{path}!disk.vmdk"
    assert disk.pread(0, 1 << 20) == members["disk.vmdk"]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_read_in_every_dialect(tmp_path: Path, form: int) -> None:
    members = {"a" * 300 + ".vmdk": b"1", "Büro/磁盘.vmdk": b"2", "plain": b"3"}
    path = pack(tmp_path / "web.ova", members, form=form)
    assert [name for name, _, _ in listing(LocalFile(path))] == list(members)
    assert listing(LocalFile(path)) == by_tarfile(path)


def test_a_prefix_of_ustar_belongs_to_the_name(tmp_path: Path) -> None:
    name = "folder" * 20 + "/" + "x" * 90
    path = pack(tmp_path / "web.ova", {name: b"1"})
    assert listing(LocalFile(path)) == by_tarfile(path)


def test_what_gnu_tar_writes_is_read_in_place(tmp_path: Path) -> None:
    (tmp_path / "web.ovf").write_text("<x/>")
    with (tmp_path / "big.vmdk").open("wb") as file:
        file.truncate(5 << 20)
    path = tmp_path / "web.ova"
    argv = ["tar", "-C", str(tmp_path), "-cf", str(path), "--format=gnu", "./web.ovf", "big.vmdk"]
    subprocess.run(argv, check=True, timeout=60)
    assert [(name, size) for name, _, size in listing(LocalFile(path))] == [
        ("web.ovf", 4),
        ("big.vmdk", 5 << 20),
    ]


def test_what_tar_wrote_before_posix_is_read(tmp_path: Path) -> None:
    (tmp_path / "web.ovf").write_bytes(b"<Envelope/>")
    path = tmp_path / "old.ova"
    subprocess.run(
        ["tar", "-C", str(tmp_path), "-cf", str(path), "--format=v7", "web.ovf"], check=True
    )
    [member] = read_archive(LocalFile(path)).members
    assert (member.name, member.dialect) == ("web.ovf", Dialect.OLD)


@pytest.mark.parametrize("kind", [b"0", b"7", b"\0"])
def test_each_kind_of_regular_file_is_one(kind: bytes) -> None:
    header = tarfile.TarInfo("web.ovf")
    header.type = kind
    assert listing(Bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2 * BLOCK))) == [
        ("web.ovf", BLOCK, 0)
    ]


def test_a_member_beyond_eight_gigabytes_has_a_base_256_size(tmp_path: Path) -> None:
    path = tmp_path / "web.ova"
    info = tarfile.TarInfo("disk.vmdk")
    info.size = 9 << 30
    with path.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(BLOCK + info.size + 2 * BLOCK)
    assert listing(LocalFile(path)) == [("disk.vmdk", BLOCK, 9 << 30)]


def test_an_archive_inside_gzip_is_indexed_without_unpacking(tmp_path: Path) -> None:
    path = pack(tmp_path / "web.ova", {"web.ovf": b"<x/>", "disk.vmdk": bytes(100_000)})
    squeezed = tmp_path / "web.ova.gz"
    squeezed.write_bytes(gzip.compress(path.read_bytes()))
    file = Inflated(LocalFile(squeezed), str(squeezed))
    assert listing(file) == by_tarfile(path)


def test_folders_are_passed_over_and_a_missing_end_mark_is_told() -> None:
    content = entry("images/", tarfile.DIRTYPE) + entry("./images/disk.vmdk", content=b"1")
    archive = read_archive(Bytes(content))
    assert [member.name for member in archive.members] == ["images/disk.vmdk"]
    assert not archive.ended


REFUSED = {
    "leads outside": (
        entry("../../etc/passwd"),
        "x.ova at 0: holds a member that leads outside it ('../../etc/passwd')",
    ),
    "backslashes": (
        entry("..\\evil"),
        "x.ova at 0: holds a member that leads outside it ('..\\\\evil')",
    ),
    "absolute": (
        entry("web.ovf") + entry("/etc/passwd"),
        "x.ova at 512: holds a member with an absolute name ('/etc/passwd')",
    ),
    "drive letter": (
        entry("C:\\boot.ini"),
        "x.ova at 0: holds a member with an absolute name ('C:\\\\boot.ini')",
    ),
    "drive letter behind a dot": (
        entry("./C:/boot.ini"),
        "x.ova at 0: holds a member with an absolute name ('./C:/boot.ini')",
    ),
    "symbolic link": (
        entry("disk.vmdk", tarfile.SYMTYPE, link="/dev/sda"),
        "x.ova at 0: holds a symbolic link ('disk.vmdk')",
    ),
    "hard link": (
        entry("disk.vmdk", tarfile.LNKTYPE, link="web.ovf"),
        "x.ova at 0: holds a hard link ('disk.vmdk')",
    ),
    "character device": (
        entry("null", tarfile.CHRTYPE),
        "x.ova at 0: holds a character device ('null')",
    ),
    "block device": (
        entry("sda", tarfile.BLKTYPE),
        "x.ova at 0: holds a block device ('sda')",
    ),
    "pipe": (entry("pipe", tarfile.FIFOTYPE), "x.ova at 0: holds a pipe ('pipe')"),
    "twice": (
        entry("disk.vmdk") + entry("disk.vmdk"),
        "x.ova at 512: holds the same name twice ('disk.vmdk')",
    ),
    "twice in disguise": (
        entry("disk.vmdk") + entry(".//./disk.vmdk"),
        "x.ova at 512: holds the same name twice ('disk.vmdk')",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_reach_outside_is_refused_in_one_line(case: str) -> None:
    content, expected = REFUSED[case]
    with pytest.raises(RefusedError) as caught:
        read_archive(Bytes(content + bytes(2 * BLOCK)))
    assert (str(caught.value), caught.value.hint, caught.value.exit_code) == (expected, DISTRUST, 6)


def test_a_path_smuggled_in_by_pax_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "web.ova"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("harmless")
        info.pax_headers = {"path": "../outside"}
        archive.addfile(info)
    with pytest.raises(RefusedError) as caught:
        read_archive(LocalFile(path))
    assert said(caught.value, tmp_path) == (
        "web.ova at 1024: holds a member that leads outside it ('../outside')",
        DISTRUST,
        6,
    )


DAMAGED = {
    "content cut": (
        entry("disk.vmdk", content=b"x" * 2000)[: BLOCK + 500],
        "x.ova: is cut short in member 'disk.vmdk' (1500 bytes are missing)",
        AGAIN,
    ),
    "last byte cut": (
        entry("disk.vmdk", content=b"x" * 512)[:-1],
        "x.ova: is cut short in member 'disk.vmdk' (1 bytes are missing)",
        AGAIN,
    ),
    "header cut": (
        entry("web.ovf", content=b"x" * 512) + entry("disk.vmdk")[:100],
        "x.ova at 1024: is cut short in a header (412 bytes are missing)",
        AGAIN,
    ),
    "no tar": (b"", "x.ova: holds no tar header", ""),
    "zeros": (bytes(4096), "x.ova: holds no tar header", ""),
    "checksum": (
        b"y" + entry("web.ovf")[1:],
        "x.ova at 0: tar header's checksum is wrong",
        "",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_broken_says_where_and_how_much(case: str) -> None:
    content, expected, hint = DAMAGED[case]
    with pytest.raises(DamagedInputError) as caught:
        read_archive(Bytes(content))
    assert (str(caught.value), caught.value.hint, caught.value.exit_code) == (expected, hint, 3)


def test_a_sparse_or_unknown_member_is_not_read() -> None:
    with pytest.raises(UnsupportedInputError) as caught:
        read_archive(Bytes(entry("disk.vmdk", b"S")))
    assert (str(caught.value), caught.value.hint) == (
        "x.ova at 0: holds a member of a kind that is not read ('disk.vmdk' is b'S')",
        "Write the archive again as USTAR: tar --format=ustar.",
    )


def test_the_number_of_members_is_bounded() -> None:
    content = b"".join(entry(f"f{number}") for number in range(MOST_MEMBERS + 1))
    with pytest.raises(RefusedError) as caught:
        read_archive(Bytes(content))
    assert str(caught.value) == "x.ova at 5120000: has too many members (at most 10000)"


def test_the_length_of_names_is_bounded(tmp_path: Path) -> None:
    path = pack(tmp_path / "web.ova", {"a" * 5000: b""}, form=tarfile.GNU_FORMAT)
    with pytest.raises(RefusedError) as caught:
        read_archive(LocalFile(path))
    assert said(caught.value, tmp_path) == (
        "web.ova at 5632: holds a name of 5000 characters",
        "",
        6,
    )


@given(st.binary(max_size=3000))
def test_any_bytes_are_indexed_or_refused(content: bytes) -> None:
    try:
        read_archive(Bytes(content))
    except InteropError as error:
        assert "\n" not in str(error)


@given(
    kind=st.sampled_from([b"0", b"\0", b"5", b"L", b"K", b"x", b"g", b"1", b"7", b"Z"]),
    name=st.text(max_size=30),
    content=st.binary(max_size=1500),
    cut=st.integers(0, 3000),
)
def test_any_members_with_true_checksums_are_indexed_or_refused(
    kind: bytes, name: str, content: bytes, cut: int
) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(content)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[: len(name.encode()[:100])] = name.encode()[:100]
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    stored = bytes(header) + content + bytes(-len(content) % BLOCK)
    try:
        archive = read_archive(Bytes((stored + entry("next"))[: cut + 1]))
    except InteropError as error:
        assert "\n" not in str(error)
    else:
        assert all(".." not in member.name.split("/") for member in archive.members)


def test_a_tolerant_reading_leaves_out_what_is_refused_and_says_so() -> None:
    bad = entry("../up") + entry("link", tarfile.SYMTYPE, link="x") + entry("a")
    content = entry("a", content=b"1") + bad + entry("b") + bytes(2 * BLOCK)
    archive = read_archive(Bytes(content), tolerant=True)
    assert [(member.name, member.size) for member in archive.members] == [("a", 1), ("b", 0)]
    assert [str(error) for error in archive.unsafe] == [
        "x.ova at 1024: holds a member that leads outside it ('../up')",
        "x.ova at 1536: holds a symbolic link ('link')",
    ]
    assert [str(error) for error in archive.repeated] == [
        "x.ova at 2048: holds the same name twice ('a')"
    ]


def test_a_tolerant_reading_keeps_no_more_than_so_many_errors() -> None:
    content = entry("link", tarfile.SYMTYPE, link="x") * (MOST_DEFECTS + 9) + bytes(2 * BLOCK)
    archive = read_archive(Bytes(content), tolerant=True)
    assert (archive.members, len(archive.unsafe)) == ((), MOST_DEFECTS)
