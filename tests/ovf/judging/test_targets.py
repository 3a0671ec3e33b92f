"""Targets by their names, and what ``rehost validate --target`` says of a package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ovf.cli import ovf, validate
from ovf.judging.profile import Profile, profiles
from ovf.judging.targets import Outcome, all_targets, prospect, target_named
from ovf.package import Package
from rehost.errors import UsageError
from tests.ovf.builders import FIXTURES

VIRTUALBOX = FIXTURES / "profiles" / "VMW-001" / "bad.ovf"
GOOD = FIXTURES / "profiles" / "VMW-001" / "good.ovf"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("vmware-esxi-6.5", "vmware-esxi-6.5"),
        ("vmware-esxi-7", "vmware-esxi-7.0"),
        ("VCENTER", "vcenter"),
        ("vmware-fusion-25h2", "vmware-fusion-25H2"),
        ("virtualbox-7.1", "virtualbox-7"),
        ("vmware-esxi-7.0.3", "vmware-esxi-7.0"),
    ],
)
def test_a_target_is_found_by_its_name(name: str, found: str) -> None:
    assert target_named(name).name == found


def test_a_general_name_is_the_newest_release() -> None:
    assert target_named("vmware-esxi").release == target_named("vmware-esxi-9.0").release


def test_an_unknown_target_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        target_named("vmware-esx-8")
    assert caught.value.what == "no target has the name 'vmware-esx-8'"
    assert caught.value.hint == (
        "Did you mean vmware-esxi-8.0, vmware-esxi, vmware-esxi-9.0?"
        " `rehost ovf targets` lists them."
    )
    with pytest.raises(UsageError) as caught:
        target_named("")
    assert caught.value.hint == "`rehost ovf targets` lists them."


def test_no_two_importers_have_one_name() -> None:
    names = [target.name for profile in profiles() for target in profile.targets()]
    assert len({name.lower() for name in names}) == len(names) == len(all_targets())


NO_OVF = {"hyperv": ["HPV-002", "HPV-001"], "azure": ["AZU-002", "AZU-001"]}
"""What imports no OVF at all."""


@pytest.mark.parametrize("name", all_targets())
def test_every_target_takes_a_plain_machine(name: str) -> None:
    target = all_targets()[name]
    found = prospect(Package.open(GOOD), target, descriptor_only=True)
    rules = [finding.rule for finding in found.findings]
    match target.profile.name:
        case "hyperv" | "azure" as without:
            assert (found.outcome, rules) == (Outcome.REFUSES, NO_OVF[without][::-1])
        case "openstack":
            assert (found.outcome, rules) == (Outcome.CHANGES, ["OSK-005"])
        case _:
            assert (found.outcome, rules) == (Outcome.IMPORTS, [])


def test_the_command_says_what_each_importer_will_do() -> None:
    options = ["--descriptor-only", "--target", "vmware", "--target", "esxi-8"]
    shown = CliRunner().invoke(validate, [str(VIRTUALBOX), *options])
    assert shown.exit_code == 1
    assert shown.stdout.replace(str(VIRTUALBOX), "x.ovf") == (
        "x.ovf\n"
        "  32:9: warning: hardware is of another family ('virtualbox-2.2') [VMW-001, vmware]\n"
        "      <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>\n"
        "      ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "      it says: Unsupported hardware family 'virtualbox-2.2'.\n"
        "      hint: Write vmx-13, or the lowest version of the hosts it is for, into"
        " vssd:VirtualSystemType.\n"
        "      reported: github.com/owncloud-archive/vm/issues/53, dradispro-tracker #297\n"
        "  32:9: error: hardware is of another family ('virtualbox-2.2') [VMW-001, esxi-8.0]\n"
        "      <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>\n"
        "      ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "      it says: Unsupported hardware family 'virtualbox-2.2'.\n"
        "\n"
        "vmware will import with changes\n"
        "esxi-8.0 will not import\n"
        "\n"
        "1 error, 1 warning, 0 remarks\n"
    )


def test_several_sources_have_a_verdict_each() -> None:
    options = ["--descriptor-only", "--target", "esxi-8", "--select", "VMW-001"]
    shown = CliRunner().invoke(validate, [str(VIRTUALBOX), str(GOOD), *options])
    assert [line for line in shown.stdout.splitlines() if "import" in line] == [
        f"{VIRTUALBOX}: esxi-8.0 will not import",
        f"{GOOD}: esxi-8.0 will import",
    ]


@pytest.mark.parametrize("form", ["sarif", "html", "junit", "github", "gitlab"])
def test_every_form_of_report_tells_of_a_check(form: str) -> None:
    options = ["--descriptor-only", "--target", "esxi-8", "--format", form]
    shown = CliRunner().invoke(validate, [str(VIRTUALBOX), *options])
    assert shown.exit_code == 1
    assert "VMW-001" in shown.stdout


def test_json_names_target_quote_and_outcome() -> None:
    options = ["--descriptor-only", "--format", "json", "--target", "vmware"]
    shown = CliRunner().invoke(validate, [str(VIRTUALBOX), *options])
    document = json.loads(shown.stdout)
    assert shown.exit_code == 0
    [source] = document["sources"]
    assert source["targets"] == [{"name": "vmware", "outcome": "will import with changes"}]
    [finding] = document["findings"]
    assert finding["target"] == "vmware"
    assert finding["quote"] == "Unsupported hardware family 'virtualbox-2.2'."
    assert finding["known_from"].startswith("reported: github.com/")


def test_a_rule_of_the_standard_counts_where_the_importer_enforces_it() -> None:
    package = Package.open(FIXTURES / "rules" / "DSK-008" / "bad.ovf")
    found = prospect(package, target_named("vmware"), descriptor_only=True)
    assert [finding.rule for finding in found.findings] == ["DSK-008"]
    assert found.outcome is Outcome.REFUSES
    assert found.findings[0].source.endswith("fault OvfMissingAttribute")
    package = Package.open(FIXTURES / "rules" / "ITM-007" / "bad.ovf")
    found = prospect(package, target_named("vmware"), descriptor_only=True)
    assert found.outcome is Outcome.IMPORTS


def test_files_are_judged_unless_told_otherwise() -> None:
    found = prospect(Package.open(GOOD), target_named("vmware"))
    assert [finding.rule for finding in found.findings] == ["REF-004"]


def test_the_importers_are_listed() -> None:
    shown = CliRunner().invoke(ovf, ["targets"])
    assert shown.exit_code == 0
    assert (
        "vmware-fusion: VMware Fusion\n"
        "  releases: vmware-fusion-12, vmware-fusion-13, vmware-fusion-25H2\n"
        "  also: fusion\n"
    ) in shown.stdout
    listed = json.loads(CliRunner().invoke(ovf, ["targets", "--json"]).stdout)["targets"]
    assert {entry["name"] for entry in listed} == {profile.name for profile in profiles()}
    [vmware] = [entry for entry in listed if entry["name"] == "vmware"]
    assert "VMW-001" in vmware["checks"]
    assert "DSK-008" in vmware["enforces"]


def test_an_unknown_target_is_told_before_the_package_is_opened(tmp_path: Path) -> None:
    shown = CliRunner().invoke(validate, [str(tmp_path / "none.ovf"), "--target", "no such"])
    assert isinstance(shown.exception, UsageError)


@pytest.mark.parametrize("profile", profiles(), ids=lambda each: each.name)
def test_no_importer_makes_a_machine_of_an_envelope_without_one(
    tmp_path: Path, profile: Profile
) -> None:
    path = tmp_path / "web.ovf"
    path.write_text(
        '<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"><References/></Envelope>'
    )
    for target in profile.targets():
        found = prospect(Package.open(path), target)
        assert found.outcome is Outcome.REFUSES
        assert "there is no VirtualSystem" in {each.message for each in found.findings}
