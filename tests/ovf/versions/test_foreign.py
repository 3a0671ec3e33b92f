"""Descriptors that are not of the standard: converting refuses them, judging names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ovf.cli import validate as command
from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.package import Package
from rehost.errors import InteropError, UnsupportedInputError
from tests.ovf.builders import manifest, pack
from tests.support.packages import rehost

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
FIX = "Restate a dialect as OVF 1.x, `rehost ovf restate --to 1`, or export the machine anew."


def written(namespace: str, prefix: str = "ovf:", bound: str = "xmlns:ovf") -> str:
    """Return a descriptor of one file, in a namespace that is not the standard's."""
    return (
        f'<{prefix}Envelope {bound}="{namespace}" {XSI}>\n'
        f'<References>\n<File {prefix}id="f" {prefix}href="disk.vmdk" {prefix}size="3"/>\n'
        f'</References>\n<Content {prefix}id="x" xsi:type="{prefix}VirtualSystem_Type"/>\n'
        f"</{prefix}Envelope>"
    )


ONE = "http://schemas.dmtf.org/ovf/envelope/1"
FOREIGN: dict[str, tuple[str, str]] = {
    "none": (
        written("", "", "xmlns"),
        "web.ovf:1: is in no known OVF namespace (none)",
    ),
    "3": (
        written("http://schemas.dmtf.org/ovf/envelope/3"),
        "web.ovf:1: is in no known OVF namespace (http://schemas.dmtf.org/ovf/envelope/3)",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_judging_says_what_it_is(tmp_path: Path, case: str) -> None:
    text, expected = FOREIGN[case]
    path = tmp_path / "web.ovf"
    path.write_text(text)
    (tmp_path / "disk.vmdk").write_bytes(b"abc")
    [found] = validate(Package.open(path))
    told = f"{found.location}: {found.message}".replace(f"{tmp_path}/", "")
    assert (found.rule, told, found.hint) == ("ENV-002", expected, FIX)
    assert CliRunner().invoke(command, [str(path)]).exit_code == 1


@pytest.mark.parametrize("case", FOREIGN)
def test_converting_refuses_it(tmp_path: Path, case: str) -> None:
    (tmp_path / "web.ovf").write_text(FOREIGN[case][0])
    with pytest.raises(UnsupportedInputError):
        read_machines(Package.open(tmp_path / "web.ovf"))


@pytest.mark.parametrize("case", FOREIGN)
def test_editing_and_mending_refuse_it(tmp_path: Path, case: str) -> None:
    """Names of the standard would be looked for in a namespace that is not its own."""
    text, expected = FOREIGN[case]
    (tmp_path / "web.ovf").write_text(text)
    for arguments in (
        ("ovf", "set", "web.ovf", "--name", "x", "--descriptor-only", "-o", "new.ovf"),
        ("validate", "web.ovf", "--fix", "new.ovf"),
    ):
        done = rehost(*arguments, cwd=tmp_path)
        assert (done.code, done.out) == (4, "")
        assert done.err == f"error: {expected}\nhint: OVF 1.x is {ONE}.\n"
        assert not (tmp_path / "new.ovf").exists()


def test_its_files_and_its_manifest_are_judged_all_the_same(tmp_path: Path) -> None:
    text = FOREIGN["3"][0].encode()
    members = {"web.ovf": text, "web.mf": manifest({"web.ovf": b"else"}), "disk.vmdk": b"four"}
    path = pack(tmp_path / "x.ova", members)
    found = validate(Package.open(path))
    assert [finding.rule for finding in found] == ["MAN-004", "ENV-002", "MAN-005", "REF-006"]


def test_a_root_that_is_no_envelope_is_a_finding_but_no_machine(tmp_path: Path) -> None:
    (tmp_path / "web.ovf").write_text(f'<VirtualSystem xmlns="{ONE}"/>')
    package = Package.open(tmp_path / "web.ovf")
    assert [finding.rule for finding in validate(package)] == ["ENV-001"]
    with pytest.raises(InteropError) as caught:
        read_machines(package)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("namespace", "title"),
    [
        ("http://www.vmware.com/schema/ovf/1/envelope", "OVF 0.9"),
        (ONE, "the draft of OVF 1.0"),
        (f"{ONE}/", "oVirt's dialect"),
    ],
)
def test_a_draft_is_named_and_its_sections_are_judged(
    tmp_path: Path, namespace: str, title: str
) -> None:
    (tmp_path / "web.ovf").write_text(written(namespace))
    told = {
        (found.rule, found.location.line, found.message)
        for found in validate(Package.open(tmp_path / "web.ovf"))
    }
    assert ("ENV-002", 1, f"is written in {title}") in told
    assert ("VHS-001", 5, "VirtualSystem has no VirtualHardwareSection") in told
