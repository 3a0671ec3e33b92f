"""Every check of every profile, by an example that breaks it, one that keeps it, and the words."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ovf.judging.profile import Check, Profile, all_checks, profiles
from ovf.judging.rule import Needs, all_rules
from ovf.judging.targets import target_named
from ovf.package import Package
from rehost.report import Finding, Severity
from tests.ovf.builders import FIXTURES, beside, manifest, pack, target_of, with_disk

CHECKS = FIXTURES / "profiles"
ALWAYS = {"HPV-001", "AZU-001"}
"""The checks of those who import no OVF at all, which no package passes."""

each_check = pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
each_profile = pytest.mark.parametrize("profile", profiles(), ids=lambda profile: profile.name)
written = pytest.mark.parametrize(
    "check",
    [check for check in all_checks() if check.needs is Needs.DESCRIPTOR],
    ids=lambda check: check.id,
)


def line_of(finding: Finding, folder: Path) -> str:
    """Return all that a user sees of a finding but its hint, in one line."""
    line = f"{finding.location}: {finding.severity.name.lower()}: {finding.message}"
    return f"{line} | {finding.quote}".removesuffix(" | ").replace(f"{folder}/", "")


@written
def test_bad_fixture_is_found_in_the_expected_words(check: Check) -> None:
    folder = CHECKS / check.id
    expected = (folder / "bad.expected").read_text().splitlines()
    findings = check.findings(Package.open(folder / "bad.ovf"), target_of(check))
    assert [line_of(finding, folder) for finding in findings] == expected
    assert expected


@pytest.mark.parametrize(
    "check",
    [check for check in all_checks() if check.needs is Needs.DESCRIPTOR and check.id not in ALWAYS],
    ids=lambda check: check.id,
)
def test_good_fixture_breaks_the_check_nowhere(check: Check) -> None:
    package = Package.open(CHECKS / check.id / "good.ovf")
    assert list(check.findings(package, target_of(check))) == []


def test_every_fixture_is_of_a_check() -> None:
    known = {check.id for check in all_checks() if check.needs is Needs.DESCRIPTOR}
    assert {folder.name for folder in CHECKS.iterdir()} == known


@each_check
def test_every_check_explains_itself(check: Check) -> None:
    first = check.explanation.partition("\n\n")[0]
    assert first.endswith(".")
    assert check.fix.endswith(".")
    assert check.source


@each_check
def test_an_id_belongs_to_one_check(check: Check) -> None:
    looks = {
        other.look for profile in profiles() for other in profile.checks if other.id == check.id
    }
    assert looks == {check.look}


@each_profile
def test_a_profile_enforces_rules_there_are(profile: Profile) -> None:
    assert set(profile.enforces) <= {rule.id for rule in all_rules()}
    assert bool(profile.enforces) == bool(profile.source)
    assert set(profile.sources) <= set(profile.enforces)
    assert Severity.INFO not in profile.enforces.values()


@each_profile
def test_releases_a_check_is_limited_to_exist(profile: Profile) -> None:
    names = {release.name for release in profile.releases}
    for check in profile.checks:
        assert {check.lowest, check.highest} - {None} <= names or not names


DISK = bytes(range(256)) * 256
WHOLE = {"web.ovf": with_disk("disk.vmdk").encode(), "disk.vmdk": DISK}
SHA256 = manifest(WHOLE)
BUILT: dict[str, tuple[str, dict[str, bytes], str]] = {
    "VMW-030": (
        "vmware-esxi-6.0",
        {**WHOLE, "web.mf": SHA256},
        "x.ova!web.mf:1: error: digests are SHA256, not SHA1 | The following manifest file entry"
        " (line 1) is invalid: SHA256 (web.ovf)",
    ),
    "VMW-031": (
        "vmware-esxi-8.0",
        {**WHOLE, "web.mf": SHA256.replace(b"(", b" (")},
        "x.ova!web.mf:1: error: manifest names an algorithm it does not know ('SHA256 ') | The"
        " provided manifest file is invalid: Invalid OVF checksum algorithm: SHA256 .",
    ),
    "VMW-032": (
        "vmware-esxi-6.7",
        {**WHOLE, "web.mf": manifest({"disk.vmdk": DISK})},
        "x.ova!web.mf: error: descriptor is not in the manifest ('web.ovf') | The provided manifest"
        " file is invalid: Invalid OVF manifest entry: .",
    ),
    "VBX-019": (
        "virtualbox",
        {**WHOLE, "größe": b""},
        "x.ova!größe: error: header is PAX, not USTAR | VERR_TAR_UNSUPPORTED_PAX_TYPE",
    ),
    "VMW-038": (
        "vmware",
        {**WHOLE, "größe": b""},
        "x.ova!größe: error: header is PAX, not USTAR"
        " | Error: Did not find an .ovf file at the beginning of the OVA package.",
    ),
    "OVI-006": (
        "ovirt",
        {**WHOLE, "größe": b""},
        "x.ova!größe: error: header is PAX, not USTAR",
    ),
    "OSK-003": (
        "openstack",
        WHOLE,
        "web.ovf: error: package is no archive | Could not find OVF file in OVA archive file.",
    ),
    "V2V-009": (
        "virt-v2v",
        {**WHOLE, "web.mf": manifest({"web.ovf": WHOLE["web.ovf"]}, "SHA512")},
        "x.ova!web.mf:1: info: digest is not looked at (SHA512) | unable to parse line from"
        " manifest file: SHA512(web.ovf)",
    ),
}


PACKED_AS_PAX = frozenset(("VBX-019", "VMW-038", "OVI-006"))


@pytest.mark.parametrize("identifier", BUILT)
def test_broken_packages_are_found_in_these_words(identifier: str, tmp_path: Path) -> None:
    name, members, expected = BUILT[identifier]
    [check] = [check for check in all_checks() if check.id == identifier]
    form = tarfile.PAX_FORMAT if identifier in PACKED_AS_PAX else tarfile.USTAR_FORMAT
    package = Package.open(pack(tmp_path / "x.ova", members, form=form))
    if identifier == "OSK-003":
        package = beside(tmp_path, members["web.ovf"].decode())
    findings = check.findings(package, target_named(name))
    assert [line_of(finding, tmp_path) for finding in findings] == [expected]


@pytest.mark.parametrize("identifier", BUILT)
def test_whole_packages_break_no_check_of_files(identifier: str, tmp_path: Path) -> None:
    [check] = [check for check in all_checks() if check.id == identifier]
    members = {**WHOLE, "web.mf": manifest(WHOLE, "SHA1")}
    package = Package.open(pack(tmp_path / "x.ova", members))
    assert list(check.findings(package, target_named(BUILT[identifier][0]))) == []


def test_every_check_of_files_has_its_package() -> None:
    assert set(BUILT) == {check.id for check in all_checks() if check.needs is Needs.FILES}


def test_the_page_on_importers_has_every_profile() -> None:
    page = (Path(__file__).parents[3] / "docs" / "importers.md").read_text(encoding="utf-8")
    rows = "".join(line.partition(" | ")[0] for line in page.splitlines() if line[:3] == "| `")
    assert set(rows.split("`")[1::2]) == {profile.name for profile in profiles()}
