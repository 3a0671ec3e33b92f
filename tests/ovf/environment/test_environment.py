"""Environment documents, by themselves, against their package, and on the image they come on."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pycdlib
import pytest
from click.testing import CliRunner

from ovf.cli import validate as command
from ovf.environment.medium import LARGEST_DIRECTORY, SECTOR, environment_on
from ovf.judging.rule import Needs, Rule, all_rules
from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.package import Package
from rehost.errors import DamagedInputError, InteropError, RefusedError, UsageError
from rehost.files import LocalFile
from tests.ovf.builders import FIXTURES, said
from tests.ovf.environment.media import medium

RULES = FIXTURES / "rules"
GOOD = (RULES / "OEN-001" / "good.xml").read_bytes()

each_rule = pytest.mark.parametrize(
    "rule",
    [
        rule
        for rule in all_rules()
        if rule.needs is Needs.ENVIRONMENT and (RULES / rule.id).is_dir()
    ],
    ids=lambda rule: rule.id,
)


def document(rule: Rule, name: str) -> Package:
    """Open an example of a rule, with the package it is of where there is one."""
    package = Package.open(RULES / rule.id / name)
    beside = RULES / rule.id / "package.ovf"
    if beside.is_file():
        package.described = Package.open(beside)
    return package


@each_rule
def test_bad_document_is_found_in_the_expected_words(rule: Rule) -> None:
    folder = RULES / rule.id
    expected = (folder / "bad.expected").read_text().splitlines()
    found = rule.findings(document(rule, "bad.xml"))
    told = [f"{each.location}: {each.severity.name.lower()}: {each.message}" for each in found]
    assert [line.replace(f"{folder}/", "") for line in told] == expected


@each_rule
def test_good_document_breaks_no_rule(rule: Rule) -> None:
    assert validate(document(rule, "good.xml"), descriptor_only=True) == []


def test_a_document_is_no_descriptor_to_who_converts() -> None:
    with pytest.raises(DamagedInputError) as caught:
        read_machines(Package.open(RULES / "OEN-001" / "good.xml"))
    assert caught.value.what.startswith("is no OVF descriptor (its root is ")


def test_the_command_judges_a_document_against_its_package() -> None:
    folder = RULES / "OEN-002"
    alone = CliRunner().invoke(command, [str(folder / "bad.xml")])
    assert (alone.exit_code, alone.stdout) == (0, "0 errors, 0 warnings, 0 remarks\n")
    named = ["--package", str(folder / "package.ovf")]
    assert CliRunner().invoke(command, [str(folder / "good.xml"), *named]).exit_code == 0
    assert CliRunner().invoke(command, [str(folder / "bad.xml"), *named]).exit_code == 1
    error = CliRunner().invoke(command, [str(folder / "package.ovf"), *named]).exception
    assert isinstance(error, UsageError)
    assert said(error, folder) == (
        "package.ovf: is no environment document",
        "--package names the package that environment documents are of.",
        2,
    )


@pytest.mark.parametrize("names", [{}, {"joliet": 3}, {"rock_ridge": "1.09"}])
def test_a_document_is_found_on_an_image(tmp_path: Path, names: dict[str, object]) -> None:
    path = medium(tmp_path / "env.iso", {"readme.txt": b"1", "ovf-env.xml": GOOD}, **names)
    found = [finding.rule for finding in validate(Package.open(path, tolerant=True))]
    assert found == ([] if names else ["OEN-009"])


def test_an_image_without_a_document_says_so(tmp_path: Path) -> None:
    path = medium(tmp_path / "env.iso", {"readme.txt": b"1"}, joliet=3)
    with pytest.raises(DamagedInputError) as caught:
        Package.open(path, tolerant=True)
    message = "env.iso: is an image that holds no ovf-env.xml in its root directory"
    assert said(caught.value, tmp_path) == (message, "", 3)


def test_an_image_that_lies_is_refused(tmp_path: Path) -> None:
    path = medium(tmp_path / "env.iso", {"ovf-env.xml": GOOD})
    content = bytearray(path.read_bytes())
    start = 16 * SECTOR + 156 + 10
    content[start : start + 4] = (LARGEST_DIRECTORY + 1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DamagedInputError, match="root directory is too large"):
        environment_on(LocalFile(path))
    path = medium(tmp_path / "large.iso", {"ovf-env.xml": GOOD})
    size = len(GOOD).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (1 << 30).to_bytes(4, "little")))
    with pytest.raises(RefusedError, match=r"is too large \(1073741824 bytes\)"):
        environment_on(LocalFile(path))


@pytest.mark.parametrize("seed", range(40))
def test_any_bytes_on_an_image_are_a_document_or_an_error(tmp_path: Path, seed: int) -> None:
    pick = random.Random(seed)
    whole = medium(tmp_path / "env.iso", {"ovf-env.xml": GOOD}, joliet=3, rock_ridge="1.09")
    content = bytearray(whole.read_bytes())
    for _ in range(200):
        content[pick.randrange(16 * SECTOR, len(content))] = pick.randrange(256)
    whole.write_bytes(content[: pick.randrange(16 * SECTOR, len(content))])
    try:
        validate(Package.open(whole, tolerant=True))
    except InteropError as error:
        assert "\n" not in str(error)


def test_images_are_as_pycdlib_reads_them(tmp_path: Path) -> None:
    path = medium(tmp_path / "env.iso", {"ovf-env.xml": GOOD, "b.txt": b"2"}, joliet=3)
    image, content = pycdlib.PyCdlib(), io.BytesIO()
    image.open(str(path))
    image.get_file_from_iso_fp(content, joliet_path="/ovf-env.xml")
    image.close()
    assert environment_on(LocalFile(path)) == ("ovf-env.xml", content.getvalue())
