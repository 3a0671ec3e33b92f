"""Checking formats that have no check of their own, and disks that are not plain files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from tests.support.images import KIB, MIB, Variant, create, run
from tests.support.packages import members, ova, raw_disk, rehost

CLUSTER = 64 * KIB


@pytest.fixture
def qed(tmp_path: Path) -> Path:
    path = create(tmp_path / "a.qed", Variant("qed", "qed"), 4 * MIB)
    run("qemu-io", "-f", "qed", "-c", "write -P 9 1M 64k", "-c", "write -P 7 0 128k", path)
    return path


def table(raw: bytes | bytearray) -> int:
    """Return where the first L2 table of a QED image lies."""
    l1_at = struct.unpack_from("<Q", raw, 40)[0]
    return int(struct.unpack_from("<Q", raw, l1_at)[0])


def test_any_format_is_walked(qed: Path) -> None:
    said = rehost("disk", "check", qed, "--deep")
    assert (said.code, said.err) == (0, "")
    assert said.out == (f"stored: 192 KiB of 4 MiB (4.7 %)\n{qed}: no errors were found\n")


def test_two_places_with_one_cluster_are_lost(qed: Path) -> None:
    raw = bytearray(qed.read_bytes())
    at = table(raw)
    place = struct.unpack_from("<Q", raw, at)[0]
    struct.pack_into("<Q", raw, at + 8, place)
    qed.write_bytes(raw)
    said = json.loads(rehost("disk", "check", qed, "--json").out)
    assert [problem["message"] for problem in said["problems"]] == ["65536 bytes are used twice"]
    assert said["problems"][0]["offset"] == place
    assert said["lost"] == [
        {
            "start": 0,
            "length": 2 * CLUSTER,
            "why": "something else is stored in the same place",
        }
    ]


def test_a_file_cut_short_is_told_of(qed: Path) -> None:
    qed.write_bytes(qed.read_bytes()[: -CLUSTER // 2])
    said = rehost("disk", "check", qed)
    assert said.code == 1
    assert said.out.splitlines()[-1].startswith(f"{qed}: 1 error, 0 warnings (1 damage)")


def test_a_raw_disk_is_sound_and_copied(tmp_path: Path) -> None:
    raw = raw_disk(tmp_path / "disk.raw")
    said = rehost("disk", "check", raw, "--repair", tmp_path / "copy.raw")
    assert (said.code, said.err) == (0, "")
    assert (tmp_path / "copy.raw").read_bytes() == raw.read_bytes()


def test_a_disk_in_an_archive_is_checked(tmp_path: Path) -> None:
    path = ova(tmp_path, members(tmp_path))
    said = rehost("disk", "check", path, "--deep")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1].endswith("1 warning (1 damage)")


def test_an_encrypted_disk_is_read_with_its_passphrase(tmp_path: Path) -> None:
    path, secret = tmp_path / "a.qcow2", tmp_path / "secret"
    secret.write_text("tests\n")
    key = "secret,id=key,data=tests"
    options = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"
    run("qemu-img", "create", "--object", key, "-f", "qcow2", "-o", options, path, "1M")
    driver = f"driver=qcow2,encrypt.key-secret=key,file.filename={path}"
    run("qemu-io", "--object", key, "--image-opts", "-c", "write -P 7 0 64k", driver)
    assert rehost("disk", "check", path).code == 0
    assert rehost("disk", "check", path, "--deep", "--passphrase-file", secret).code == 0
    copy = tmp_path / "copy.qcow2"
    arguments = ("disk", "check", path, "--passphrase-file", secret, "--repair", copy)
    said = rehost(*arguments)
    assert (said.code, said.err.splitlines()[0]) == (
        6,
        f"error: {path}: is not repaired, for the copy would lack its encryption",
    )
    assert rehost(*arguments, "--accept-loss").code == 0
    done = run("qemu-io", "-f", "qcow2", "-c", "read -P 7 0 64k", copy)
    assert "verification failed" not in done.stdout
