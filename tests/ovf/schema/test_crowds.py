"""Very large documents are judged by their schema in bounded time, and not in silence."""

from __future__ import annotations

from pathlib import Path

from ovf.package import Package
from ovf.schema.verdict import environment_violations, violations
from tests.fuzz.bounds import bounded
from tests.ovf.builders import beside, descriptor

MANY = 40_000
PROPERTY = '<Property ovf:key="k" ovf:type="string"/>'
ENVIRONMENT = "http://schemas.dmtf.org/ovf/environment/1"
BEHIND = "breaks its schema behind the first 1000 of like elements"


def told(folder: Path, sections: str, *, around: str = "") -> list[str]:
    with bounded():
        package = beside(folder, descriptor(sections=sections, around=around))
        return [found.message for found in violations(package)]


def product(content: str) -> str:
    return f"<ProductSection><Info/>{content}</ProductSection>"


def test_a_valid_document_may_be_as_large_as_is_read(tmp_path: Path) -> None:
    assert told(tmp_path, product(PROPERTY * 2 * MANY)) == []


def test_an_error_behind_a_thousand_elements_is_not_passed_over(tmp_path: Path) -> None:
    sections = product(PROPERTY * 1500 + '<Property ovf:type="string"/>')
    assert told(tmp_path, sections) == [f"Envelope {BEHIND}"]


def test_a_large_section_of_another_place_is_taken_out_in_time(tmp_path: Path) -> None:
    sections = product(PROPERTY) + "<Nonsense>" + PROPERTY * MANY + "</Nonsense>"
    nets = "<References>" + '<File ovf:id="f" ovf:href="x"/>' * MANY + "</References>"
    assert told(tmp_path, sections, around=nets) == []


def environment(folder: Path, properties: str) -> list[str]:
    path = folder / "ovf-env.xml"
    path.write_text(
        f'<Environment xmlns="{ENVIRONMENT}" xmlns:oe="{ENVIRONMENT}" oe:id="vm">'
        f"<PropertySection>{properties}</PropertySection></Environment>"
    )
    with bounded():
        return [found.message for found in environment_violations(Package.open(path))]


def test_an_environment_is_judged_behind_its_thousandth_property(tmp_path: Path) -> None:
    good = '<Property oe:key="k" oe:value="v"/>' * MANY
    assert environment(tmp_path, good) == []
    assert environment(tmp_path, f"{good}<Property/>") == [f"ovfenv:Environment {BEHIND}"]
