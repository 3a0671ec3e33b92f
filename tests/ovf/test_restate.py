"""``rehost ovf restate``: a package in another version, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.ovf.builders import manifest, pack, signed_off
from tests.ovf.edit.test_set import inside, seen
from tests.ovf.restated import ONE, TWO
from tests.support.generated import schemas
from tests.support.packages import rehost

FILES = {"shop.ovf": TWO.encode(), "disk.vmdk": b"abc"}
ACCESS = "OVF 1.x has no such property; kept as an extension that may be ignored"
PLACED = "OVF 1.x does not know it; kept as an extension that may be ignored"
TABLE = f"""
What {{}} lost
kind     property                                    value           why
changed  shop.ovf:35 StorageItem 'Disk' sasd:Access  3 -> extension  {ACCESS}
changed  shop.ovf:45 PlacementSection                extension       {PLACED}
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    return pack(tmp_path / "shop.ova", signed_off(FILES))


def test_a_package_is_written_in_the_other_version_and_the_losses_are_told(
    source: Path, tmp_path: Path
) -> None:
    done = rehost("ovf", "restate", source, "--to", "1", "-o", tmp_path / "new.ova")
    assert seen(done, tmp_path) == (0, TABLE.format("was") + "wrote new.ova\n", "")
    assert inside(tmp_path / "new.ova", "shop.ovf").decode() == ONE
    old = manifest({**FILES, "shop.ovf": ONE.encode()}, "SHA1")
    assert inside(tmp_path / "new.ova", "shop.mf") == old


def test_a_trial_writes_nothing_and_may_fail_for_losses(source: Path, tmp_path: Path) -> None:
    done = rehost("ovf", "restate", source, "--to", "1", "--dry-run", "--strict")
    assert seen(done, tmp_path) == (1, TABLE.format("is"), "")
    assert [each.name for each in tmp_path.iterdir()] == ["shop.ova"]


def test_what_is_of_that_version_already_is_said_so(source: Path, tmp_path: Path) -> None:
    done = rehost("ovf", "restate", source, "--to", "2", "-o", tmp_path / "new", "--strict")
    told = "shop.ova: is OVF 2.x already\nNothing was lost.\n"
    wrote = "wrote new/disk.vmdk\nwrote new/shop.ovf\nwrote new/shop.mf\n"
    assert seen(done, tmp_path) == (0, told + wrote, "")
    assert (tmp_path / "new" / "shop.mf").read_bytes() == manifest(FILES, "SHA256")


def test_json_is_of_its_schema(source: Path, tmp_path: Path) -> None:
    dest = tmp_path / "new.ova"
    done = rehost("ovf", "restate", source, "--to", "1", "-o", dest, "--json")
    document = json.loads(done.out)
    jsonschema.validate(document, schemas()["ovf-restate.schema.json"])
    assert (document["from"], document["to"], document["files"]) == ("2", "1", [str(dest)])
    assert [loss["item"] for loss in document["losses"]] == [
        "shop.ovf:35 StorageItem 'Disk' sasd:Access",
        "shop.ovf:45 PlacementSection",
    ]


def test_where_to_write_has_to_be_said(source: Path, tmp_path: Path) -> None:
    done = rehost("ovf", "restate", source, "--to", "1")
    told = "error: it is not said where to write\nhint: Pass -o DEST or --in-place.\n"
    assert seen(done, tmp_path) == (2, "", told)
