"""Packages made by hand are what the standard's and the producers' own tools would read."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from rehost.machine import Firmware
from tests.support.appliance import Style, build_ova
from tests.support.appliance.ova import (
    Spelling,
    TarFormat,
    manifest_text,
    special_member,
    write_tar,
)

EMPTY_SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
MAGIC_AT = 257


def names_in(archive: Path) -> list[str]:
    done = subprocess.run(["tar", "tf", archive], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_tar_lists_the_members_in_the_order_given_even_twice(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"12345")
    path = write_tar(
        tmp_path / "a.ova", [("b.ovf", b"<x/>"), ("disk.vmdk", tmp_path / "disk"), ("b.ovf", b"")]
    )
    assert names_in(path) == ["b.ovf", "disk.vmdk", "b.ovf"]
    with tarfile.open(path) as archive:
        assert [member.size for member in archive] == [4, 5, 0]


@pytest.mark.parametrize(
    ("format", "magic"), [("ustar", b"ustar\x0000"), ("pax", b"ustar\x0000"), ("gnu", b"ustar  \0")]
)
def test_each_tar_format_has_its_magic(format: TarFormat, magic: bytes, tmp_path: Path) -> None:  # noqa: A002
    path = write_tar(tmp_path / "a.ova", [("a.ovf", b"")], format=format)
    assert path.read_bytes()[MAGIC_AT : MAGIC_AT + 8] == magic


def test_a_link_out_of_the_package_can_be_made(tmp_path: Path) -> None:
    link = special_member("disk.vmdk", tarfile.SYMTYPE, target="../../etc/passwd")
    with tarfile.open(write_tar(tmp_path / "a.ova", [("a.ovf", b""), link])) as archive:
        (_, found) = archive
        assert (found.name, found.issym(), found.linkname) == (
            "disk.vmdk",
            True,
            "../../etc/passwd",
        )


@pytest.mark.parametrize(
    ("spelling", "line"),
    [
        ("vmware", f"SHA1(a.ovf)= {EMPTY_SHA1}\n"),
        ("virtualbox", f"SHA1 (a.ovf) = {EMPTY_SHA1}\n"),
        ("virtualbox-4", f"SHA1 (a.ovf)= {EMPTY_SHA1}\n"),
    ],
)
def test_each_producer_spells_manifest_lines_its_own_way(spelling: Spelling, line: str) -> None:
    assert manifest_text([("a.ovf", b"")], algorithm="SHA1", spelling=spelling) == line


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("vmware", [".ovf", ".mf", "-disk1.vmdk", "-disk2.vmdk"]),
        ("virtualbox", [".ovf", "-disk001.vmdk", "-disk002.vmdk", ".mf"]),
    ],
)
def test_each_producer_packs_in_its_own_order(style: Style, expected: list[str]) -> None:
    path = build_ova(style, Firmware.BIOS, disks=2, nics=2)
    assert names_in(path) == [f"appliance-{style}-bios{end}" for end in expected]


@pytest.mark.parametrize(("style", "program"), [("vmware", "sha256sum"), ("virtualbox", "sha1sum")])
def test_the_digests_in_the_manifest_are_those_of_the_files(
    style: Style, program: str, tmp_path: Path
) -> None:
    with tarfile.open(build_ova(style, Firmware.UEFI, disks=2)) as archive:
        archive.extractall(tmp_path, filter="data")
    (manifest,) = tmp_path.glob("*.mf")
    for line in manifest.read_text().splitlines():
        name, digest = line.split("(")[1].split(")")[0], line.split()[-1]
        said = subprocess.run(
            [program, tmp_path / name], capture_output=True, text=True, check=True
        )
        assert said.stdout.split()[0] == digest
