"""Packages whose cost once grew faster than their size: each in bounded time, with its result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ovf.edit.draft import Draft
from ovf.edit.networks import add_network
from ovf.environment.deployment import Deployment, environment_of
from ovf.judging.judge import Judge
from ovf.judging.targets import target_named
from ovf.mending.mend import mend
from ovf.package import Package
from ovf.summary import summary_of
from rehost.errors import InteropError
from rehost.selection import selection
from tests.fuzz import bounds
from tests.fuzz.bounds import bounded
from tests.ovf.builders import MEMORY, NAMESPACES, PROCESSORS, beside, descriptor, item, pack

MIB = 1 << 20
INFO = "<Info/>"
DISK = item(InstanceID=7, ResourceType=17, Parent=" " * 19_000)
STRINGS = f"<Strings {NAMESPACES}>" + '<Msg ovf:msgid="a"/>' * 60_000 + "</Strings>"


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MEMORY", 400 * MIB)


def found(package: Package, target: str | None = None) -> list[str]:
    """Judge a package as the command does, and return the findings."""
    targets = (target_named(target),) if target else ()
    subject = Judge(selection((), (), (), ()), targets=targets).opened(package.path, package)
    return [f"{each.finding.rule} {each.finding.message}" for each in subject.judged]


def qualified(qualifiers: str, *, kind: str = "string", value: str = "x") -> str:
    return descriptor(
        PROCESSORS,
        MEMORY,
        sections=f"<ProductSection>{INFO}<Property ovf:key='k' ovf:type='{kind}'"
        f" ovf:value='{value}' ovf:qualifiers='{qualifiers}'/></ProductSection>",
    )


def collection(content: str) -> str:
    return (
        f'<Envelope {NAMESPACES}><References/><VirtualSystemCollection ovf:id="c">{INFO}'
        f"{content}</VirtualSystemCollection></Envelope>"
    )


def system(number: int, *items: str) -> str:
    hardware = f"<VirtualHardwareSection>{INFO}{''.join(items)}</VirtualHardwareSection>"
    return f'<VirtualSystem ovf:id="v{number}">{INFO}{hardware}</VirtualSystem>'


def bundles(number: int) -> str:
    text = descriptor(
        PROCESSORS,
        references="".join(f'<File ovf:id="f{n}" ovf:href="s.xml"/>' for n in range(number)),
    )
    named = "".join(f'<Strings xml:lang="de" ovf:fileRef="f{n}"/>' for n in range(number))
    return text.replace("</Envelope>", f"{named}</Envelope>")


def said_by_libxml2(number: int) -> str:
    value = "is not a valid value of the " * 2200
    entries = "".join(f'<Property ovf:key="{n}" ovf:password="{value}"/>' for n in range(number))
    product = f"<ProductSection>{INFO}{entries}</ProductSection>"
    return descriptor(PROCESSORS, MEMORY, sections=product)


def transports(number: int) -> str:
    section = f'<VirtualHardwareSection ovf:transport="{"x " * number}">'
    return descriptor(PROCESSORS).replace("<VirtualHardwareSection>", section)


JUDGED: dict[str, tuple[Callable[[], str], str]] = {
    "white space in an item": (
        lambda: descriptor(PROCESSORS, MEMORY, *[DISK] * 60),
        "ITM-006 Item '7' has no Parent",
    ),
    "white space and no comma in a map": (
        lambda: qualified(f"ValueMap{{{'a' * 40_000} b}}"),
        f"PRD-004 Property 'k' has wrong ovf:qualifiers: ValueMap cannot be read ('{'a' * 119}…')",
    ),
    "white space before a comma in a map": (
        lambda: qualified(f"ValueMap{{x{' ' * 40_000},}}"),
        "PRD-012 ProductSection has no Product",
    ),
    "digits that are no number": (
        lambda: qualified("", kind="real32", value=f"{'1' * 40_000}x"),
        f"PRD-003 Property 'k' has a value that is no real32 ('{'1' * 119}…')",
    ),
    "a namespace of 2 MB": (
        lambda: descriptor(PROCESSORS).replace(
            "</Envelope>", f'<z:a xmlns:z="{"z" * 2 * MIB}">{"<z:a/>" * 20_000}</z:a></Envelope>'
        ),
        "web.ovf:15: has too long a namespace (at most 2000 characters are read)",
    ),
    "a value that says what libxml2 would": (
        lambda: said_by_libxml2(20),
        "ENV-007 ovf:password of Property is not true or false ('is not a valid value of the is",
    ),
    "transports that nobody knows": (
        lambda: transports(60_000),
        "VHS-005 ovf:transport is neither iso nor a URI ('x')",
    ),
    "one file of messages under many names": (lambda: bundles(2000), "REF-005 names"),
}


@pytest.mark.parametrize("case", JUDGED)
def test_a_descriptor_is_judged(tmp_path: Path, case: str) -> None:
    make, expected = JUDGED[case]
    package = beside(tmp_path, make(), {"s.xml": STRINGS.encode()})
    with bounded():
        try:
            told = found(package)
        except InteropError as error:
            told = [str(error).replace(f"{tmp_path}/", "")]
    assert any(line.startswith(expected) for line in told), told


def test_a_manifest_of_blank_lines_is_one_finding(tmp_path: Path) -> None:
    package = beside(tmp_path, descriptor(PROCESSORS, MEMORY), {"web.mf": b"\n" * 4 * MIB})
    with bounded():
        assert "MAN-001 has more than 20000 lines" in found(package)


def test_a_file_is_digested_once_however_it_is_spelled(tmp_path: Path) -> None:
    text = descriptor(PROCESSORS, MEMORY, references='<File ovf:id="f" ovf:href="d"/>')
    lines = [f"SHA256({'./' * times}d)= {'0' * 64}" for times in range(1, 2000)]
    files = {"d": bytes(16 * MIB), "web.mf": "\n".join(lines).encode()}
    with bounded():
        told = found(beside(tmp_path, text, files))
    assert sum(line.startswith("MAN-004") for line in told) == 1


def test_machines_of_a_collection_are_counted_each_by_itself(tmp_path: Path) -> None:
    ide = [item(InstanceID=number, ResourceType=5) for number in range(3)]
    systems = "".join(system(number, *ide) for number in range(4000))
    with bounded():
        told = found(beside(tmp_path, collection(systems)), "virtualbox")
    assert "VBX-011 Item '2' is one IDE controller too many" in told


def test_an_archive_of_manifests_is_judged(tmp_path: Path) -> None:
    members = {"web.ovf": descriptor(PROCESSORS, MEMORY).encode()}
    members |= {f"m{number}.mf": b"" for number in range(9000)}
    package = Package.open(pack(tmp_path / "web.ova", members), tolerant=True)
    with bounded():
        assert "PKG-002 is a manifest beside 'm0.mf'" in found(package)


MENDED: dict[str, Callable[[], str]] = {
    "files that nothing refers to": lambda: descriptor(
        references="".join(f'<File ovf:id="f{n}" ovf:href="f{n}"/>' for n in range(4000))
    ),
    "children of an item out of order": lambda: descriptor(
        "<Item><rasd:ResourceType>10</rasd:ResourceType>"
        f"{'<rasd:Connection>x</rasd:Connection>' * 20_000}</Item>"
    ),
}


@pytest.mark.parametrize("case", MENDED)
def test_a_descriptor_is_mended(tmp_path: Path, case: str) -> None:
    package = beside(tmp_path, MENDED[case]())
    with bounded():
        assert mend(package).repairs


def test_comments_in_one_line_are_passed_over(tmp_path: Path) -> None:
    text = descriptor(PROCESSORS, hardware="<!--a-->" * 60 + "text")
    draft = Draft.of(beside(tmp_path, text))
    with bounded():
        add_network(draft, "lan")
        draft.set(draft.system(None), "id", "other")
        assert b"<!--a-->" * 60 + b"text" in draft.content


def test_white_space_in_a_tag_is_passed_over(tmp_path: Path) -> None:
    text = descriptor(PROCESSORS).replace("<References>", f"<References{' ' * 200_000}>")
    draft = Draft.of(beside(tmp_path, text))
    with bounded():
        draft.text.set(draft.envelope.root[0], "more", "x")
        assert b'<References more="x"  ' in draft.content


def test_an_environment_of_many_siblings_is_made(tmp_path: Path) -> None:
    properties = "".join(
        f'<Property ovf:key="p{number}" ovf:type="string" ovf:value="x"/>' for number in range(5000)
    )
    product = f"<ProductSection>{INFO}{properties}</ProductSection>"
    inner = "".join(system(number) for number in range(2000))
    text = collection(
        f'{product}<VirtualSystemCollection ovf:id="d">{INFO}{inner}</VirtualSystemCollection>'
    )
    draft = Draft.of(beside(tmp_path, text))
    with bounded():
        assert environment_of(draft, "v0", Deployment()).without_value == ()


def test_a_package_of_many_configurations_is_shown(tmp_path: Path) -> None:
    options = "".join(f'<Configuration ovf:id="c{number}"/>' for number in range(64))
    nics = (
        item(
            InstanceID=number,
            ResourceType=10,
            more=f'ovf:configuration="c{number % 64}"' if number % 2 else "",
        )
        for number in range(20_000)
    )
    section = f"<DeploymentOptionSection>{INFO}{options}</DeploymentOptionSection>"
    package = beside(tmp_path, descriptor(*nics, around=section))
    with bounded():
        [shown] = summary_of(package).systems
    assert [each.nics for each in shown.hardware] == [10_313] * 9
