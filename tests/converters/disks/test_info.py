"""``rehost disk info`` and ``map``: files, layers, headers, pieces; and the schemas of the JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.support.generated import schemas
from tests.support.images import KIB, MIB, VMDKS, Variant, create, make, run
from tests.support.packages import members, ova, raw_disk, rehost

PLAIN = Variant("plain", "qcow2")


def said(command: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a command and check its JSON against the schema that is published for it."""
    done = rehost("disk", command, *arguments, "--json")
    assert done.code in {0, 1}, done.err
    document = json.loads(done.out)
    jsonschema.validate(document, schemas()[f"disk-{command}.schema.json"])
    assert isinstance(document, dict)
    return document


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Make a qcow2 over a raw disk; its two clusters are written in the wrong order."""
    base = tmp_path / "base.raw"
    base.write_bytes(b"x" * 64 * KIB + bytes(4 * MIB - 64 * KIB))
    top = tmp_path / "top.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.name, "-F", "raw", top)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 128k 64k", "-c", "write -P 7 64k 64k", top)
    return top


def test_each_layer_has_its_file_and_what_it_takes(chain: Path) -> None:
    top, base = said("info", chain)["chain"]
    below = chain.with_name("base.raw")
    assert top["files"] == [
        {
            "name": str(chain),
            "size": chain.stat().st_size,
            "allocated": chain.stat().st_blocks * 512,
        }
    ]
    assert [file["name"] for file in base["files"]] == [str(below)]
    assert base["files"][0]["allocated"] == below.stat().st_blocks * 512


def test_pieces_say_how_scattered_a_layer_is(chain: Path) -> None:
    top, _ = said("info", chain)["chain"]
    assert (top["allocated"], top["packed"], top["pieces"]) == (128 * KIB, 0, 2)


def test_packed_bytes_are_counted(tmp_path: Path) -> None:
    raw = raw_disk(tmp_path / "disk.raw")
    path = tmp_path / "a.qcow2"
    run("qemu-img", "convert", "-c", "-O", "qcow2", raw, path)
    [layer] = said("info", path)["chain"]
    assert layer["allocated"] == layer["packed"] == layer["pieces"] * 64 * KIB


@pytest.mark.parametrize("variant", VMDKS, ids=str)
def test_all_files_of_a_disk_are_named(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, 3 * MIB, 1)
    [layer] = said("info", path)["chain"]
    names = sorted(each.name for each in tmp_path.iterdir() if each.suffix == ".vmdk")
    assert sorted(Path(file["name"]).name for file in layer["files"]) == names


def test_a_member_of_an_archive_has_no_place_of_its_own(tmp_path: Path) -> None:
    path = ova(tmp_path, members(tmp_path))
    [layer] = said("info", path)["chain"]
    [file] = layer["files"]
    assert file["allocated"] is None
    assert file["name"].endswith("disk.vmdk")


def test_people_read_sizes_lists_and_dashes(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    lines = rehost("disk", "info", chain).out.splitlines()
    rows = {" ".join(line.split()) for line in lines}
    assert lines[0] == str(chain)
    assert {
        "virtual_size 4194304 (4 MiB)",
        "pieces 2",
        "clusterSize 65536 (64 KiB)",
        "refcountBits 16",
        "extendedL2 no",
        "features -",
        "headerExtensions backing format; feature names",
        "backingFile base.raw",
    } <= rows
    assert "below it, 1 of 1: base.raw" in rows


def test_the_map_and_a_comparison_have_their_schemas(tmp_path: Path, chain: Path) -> None:
    kinds = {each["kind"] for each in said("map", chain)["stretches"]}
    assert kinds == {"stored"}
    other = create(tmp_path / "other.qcow2", PLAIN, 4 * MIB)
    assert {each["kind"] for each in said("map", other)["stretches"]} == {"zero"}
    assert said("compare", chain, other)["identical"] is False
    assert said("compare", chain, chain)["identical"] is True
    manifest = tmp_path / "digests"
    assert rehost("disk", "digest", chain, "--manifest", manifest).code == 0
    assert said("compare", manifest, other)["changed"] != []


def test_a_check_has_its_schema(tmp_path: Path, chain: Path) -> None:
    assert said("check", chain)["sound"] is True
    raw = bytearray(chain.read_bytes())
    raw[72 + 7] |= 2
    chain.write_bytes(raw)
    copy = tmp_path / "copy.qcow2"
    document = said("check", chain, "--repair", copy)
    assert (document["errors"], document["copy"]) == (1, {"path": str(copy), "merged": False})


@pytest.mark.parametrize("name", ["qcow2", "vhd", "vhdx", "vdi", "vmdk"])
def test_a_repaired_layer_still_stores_only_differences(tmp_path: Path, name: str) -> None:
    raw = raw_disk(tmp_path / "disk.raw")
    base, top, copy = (tmp_path / f"{each}.{name}" for each in ("base", "top", "copy"))
    kind = ("-o", "subformat=monolithicSparse") if name == "vmdk" else ()
    assert rehost("disk", "convert", raw, base, *kind).code == 0
    with raw.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(b"new" * 1000)
    made = rehost("disk", "convert", raw, top, "--base", base, *kind)
    assert made.code == 0, made.err
    done = rehost("disk", "check", top, "--repair", copy)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == f"{copy}: a sound copy was written"
    layers = said("info", copy)["chain"]
    assert len(layers) == 2
    assert layers[1]["files"][0]["name"] == str(base)
    assert rehost("disk", "compare", raw, copy).out == "identical\n"


def test_a_repaired_qcow2_over_a_raw_disk_names_it(tmp_path: Path, chain: Path) -> None:
    copy = tmp_path / "copy.qcow2"
    assert rehost("disk", "check", chain, "--repair", copy).code == 0
    info = json.loads(run("qemu-img", "info", "--output=json", copy).stdout)
    assert info["backing-filename"] == "base.raw"
    assert rehost("disk", "compare", chain, copy).out == "identical\n"
