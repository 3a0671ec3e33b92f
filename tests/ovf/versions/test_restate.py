"""``rehost ovf restate``: a package in another version, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.package import Package
from ovf.versions.anew import restated_dialect
from rehost.machine import Address, Bus
from tests.ovf.builders import beside, manifest, pack, signed_off, told
from tests.ovf.edit.test_set import inside
from tests.ovf.versions.restated import ONE, TWO
from tests.ovf.versions.test_dialects import draft
from tests.ovf.versions.test_ovirt import ovirt
from tests.support.generated import schemas
from tests.support.packages import rehost, seen

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


def test_a_descriptor_is_restated_where_its_files_are_not_at_hand(tmp_path: Path) -> None:
    (tmp_path / "one.ovf").write_text(ONE)
    done = rehost(
        "ovf", "restate", "one.ovf", "--to", "2", "-o", "two.ovf", "--descriptor-only", cwd=tmp_path
    )
    assert done.code == 0
    assert done.out.endswith("wrote two.ovf\n")
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".mf"] == []
    assert Package.open(tmp_path / "two.ovf").envelope.version == "2"


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


@pytest.mark.parametrize("text", [draft(), ovirt(("a", "IDE"))])
def test_a_dialect_is_written_anew_as_the_same_machine(tmp_path: Path, text: str) -> None:
    package = beside(tmp_path, text)
    new = package.described_by(restated_dialect(package)[0].content)
    assert new.envelope.dialect is None
    assert [machine for machine, _ in read_machines(new)] == [
        machine for machine, _ in read_machines(package)
    ]
    rules = {each.rule for each in validate(new, descriptor_only=True)}
    assert not rules & {"ENV-002", "ENV-005", "CNT-003", "VHS-007", "VHS-008", "EXT-001", "SEC-003"}


DRAFT_LOSSES = [
    "changed web.ovf dialect | OVF 0.9 | OVF 1.x"
    " | the descriptor was written anew in the names of OVF 1.x, not byte for byte",
]


def test_what_a_draft_loses_is_told_with_its_lines(tmp_path: Path) -> None:
    odd = "<Item><r:Odd>5</r:Odd><r:InstanceId>8</r:InstanceId>"
    text = draft().replace("<Item><r:Caption>SCSI 0</r:Caption><r:InstanceId>8</r:InstanceId>", odd)
    _, losses = restated_dialect(beside(tmp_path, text))
    assert told(losses) == [
        "dropped web.ovf:11 rasd:Odd | 5 | None | CIM's schema has no such property any more",
        *DRAFT_LOSSES,
        "assumed web.ovf:11 Item '8' ElementName | None | Parallel SCSI HBA"
        " | an item has to have a name",
    ]


def test_a_dialect_is_restated_on_the_command_line(tmp_path: Path) -> None:
    beside(tmp_path, draft(), {"d.vmdk": b"abc"})
    done = rehost(
        "ovf", "restate", tmp_path / "web.ovf", "--to", "2", "-o", tmp_path / "n", "--json"
    )
    document = json.loads(done.out)
    jsonschema.validate(document, schemas()["ovf-restate.schema.json"])
    assert (document["from"], document["to"]) == ("OVF 0.9", "2")
    new = Package.open(tmp_path / "n" / "web.ovf")
    assert (new.envelope.dialect, new.envelope.version) == (None, "2")
    [(machine, _)] = read_machines(new)
    assert machine.disks[0].address == Address(Bus.SCSI, 1, 2)
