"""The ``disk`` commands as they are called."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.packages import SIZE, raw_disk, rehost, stream


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return raw_disk(tmp_path / "disk.raw")


def test_info_tells_what_the_headers_say(tmp_path: Path, raw: Path) -> None:
    said = rehost("disk", "info", stream(raw, tmp_path / "disk.vmdk"), "--json")
    assert (said.code, said.err) == (0, "")
    [layer] = json.loads(said.out)["chain"]
    assert (layer["format"], layer["variant"]) == ("vmdk", "streamOptimized")
    assert layer["virtual_size"] == SIZE
    assert layer["headerVersion"] == 3


def test_info_tells_of_every_layer_of_a_chain(tmp_path: Path, raw: Path) -> None:
    top = tmp_path / "top.qcow2"
    create = ("qemu-img", "create", "-q", "-f", "qcow2", "-b", raw.name, "-F", "raw", top)
    subprocess.run(create, check=True)
    said = rehost("disk", "info", top, "--json")
    assert [layer["format"] for layer in json.loads(said.out)["chain"]] == ["qcow2", "raw"]
    assert json.loads(said.out)["chain"][0]["backingFile"] == "disk.raw"


def test_the_map_agrees_with_qemu_img(tmp_path: Path, raw: Path) -> None:
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    ours = json.loads(rehost("disk", "map", image, "--json").out)["stretches"]
    argv: list[str | Path] = ["qemu-img", "map", "--output=json", image]
    theirs = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    stored = [(one["start"], one["length"], one["offset"]) for one in theirs if one["data"]]
    assert [
        (one["start"], one["length"], one["offset"]) for one in ours if one["kind"] == "stored"
    ] == stored
    assert sum(one["length"] for one in ours) == SIZE


def test_the_map_is_read_well_by_people(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"x" * 65536)
    with path.open("r+b") as file:
        file.truncate(1 << 20)
    said = rehost("disk", "map", path)
    assert said.out == f"0 65536 stored {path} 0\n65536 983040 zero\n"


def test_converting_goes_by_the_suffix(tmp_path: Path, raw: Path) -> None:
    image = tmp_path / "disk.qcow2"
    said = rehost("disk", "convert", raw, image, "-o", "cluster_size=4096")
    assert (said.code, said.out, said.err) == (0, "", "")
    argv: list[str | Path] = ["qemu-img", "info", "--output=json", image]
    info = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert (info["format"], info["cluster-size"]) == ("qcow2", 4096)
    assert rehost("disk", "compare", raw, image).out == "identical\n"


def test_a_format_can_be_named(tmp_path: Path, raw: Path) -> None:
    plain = tmp_path / "copy"
    assert rehost("disk", "convert", raw, plain, "--to", "raw").code == 0
    assert plain.read_bytes() == raw.read_bytes()


def test_a_suffix_that_says_nothing_is_refused(tmp_path: Path, raw: Path) -> None:
    said = rehost("disk", "convert", raw, tmp_path / "copy")
    assert said.code == 2
    what = "the suffix does not say which format to write (none)"
    assert said.err.splitlines()[0] == f"error: {tmp_path}/copy: {what}"


def test_a_setting_the_format_does_not_have_is_refused(tmp_path: Path, raw: Path) -> None:
    said = rehost("disk", "convert", raw, tmp_path / "x.raw", "-o", "cluster_size=4096")
    assert (said.code, said.err) == (
        2,
        "error: raw has no option 'cluster_size'\nhint: Its options: none.\n",
    )


@pytest.mark.parametrize("at", [0, 4096, SIZE - 1])
def test_comparing_finds_the_first_difference(tmp_path: Path, raw: Path, at: int) -> None:
    other = tmp_path / "other.raw"
    content = bytearray(raw.read_bytes())
    content[at] ^= 1
    other.write_bytes(content)
    said = rehost("disk", "compare", stream(raw, tmp_path / "disk.vmdk"), other)
    assert (said.code, said.out) == (1, f"different from byte {at} on ({SIZE} and {SIZE} bytes)\n")


def test_the_end_of_the_smaller_disk_is_a_difference(tmp_path: Path, raw: Path) -> None:
    longer = tmp_path / "longer.raw"
    longer.write_bytes(raw.read_bytes() + bytes(512))
    said = rehost("disk", "compare", raw, longer, "--json")
    assert said.code == 1
    assert json.loads(said.out) == {
        "schema_version": 1,
        "identical": False,
        "first_difference": SIZE,
        "sizes": [SIZE, SIZE + 512],
    }
