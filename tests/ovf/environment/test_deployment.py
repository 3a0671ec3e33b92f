"""``rehost ovf environment`` and ``inject``: what a guest is told, and the media that tell it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ovf.edit.draft import Draft
from ovf.environment.deployment import Deployment, Platform, environment_of
from ovf.judging.validate import validate
from ovf.package import Package
from ovf.writing.burning import image_of
from rehost.errors import InteropError
from tests.ovf.builders import NAMESPACES, pack, signed_off
from tests.ovf.edit.appliances import DISK, WEB, draft_of
from tests.ovf.schema.published import FOLDER, accepted
from tests.support.packages import rehost, seen

SCHEMA = FOLDER / "ovf-1.1.0/local/dsp8027_1.1.0.xsd"
WHOLE = {"web.ovf": WEB.encode(), "disk.vmdk": DISK}
HEAD = """\
<?xml version='1.0' encoding='UTF-8'?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" \
xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="web">
"""
OWN = """\
  <PropertySection>
    <Property oe:key="com.example.ip.1" oe:value="192.0.2.7"/>
    <Property oe:key="com.example.port.1" oe:value="80"/>
    <Property oe:key="com.example.mode.1" oe:value="a"/>
  </PropertySection>
</Environment>
"""
PLATFORM = """\
  <PlatformSection>
    <Kind>KVM</Kind>
    <Version>8</Version>
    <Vendor>us &amp; them</Vendor>
    <Locale>en_GB</Locale>
    <Timezone>-60</Timezone>
  </PlatformSection>
"""
TWO_LEVELS = f"""<Envelope {NAMESPACES}>
<VirtualSystemCollection ovf:id="all">
<Info/>
<ProductSection ovf:class="net"><Info/>
<Property ovf:key="domain" ovf:type="string" ovf:value="example.com"/>
<Property ovf:key="tier" ovf:type="string" ovf:value="gold"/></ProductSection>
<VirtualSystem ovf:id="web"><Info/>
<ProductSection><Info/>
<Property ovf:key="host" ovf:type="string" ovf:value="${{domain}}"/>
<Property ovf:key="tier" ovf:type="string" ovf:value="${{TIER}} at $HOME"/>
</ProductSection></VirtualSystem>
<VirtualSystem ovf:id="db"><Info/>
<ProductSection ovf:class="c"><Info/>
<Property ovf:key="size" ovf:type="uint8" ovf:value="1" ovf:userConfigurable="true">
<Value ovf:configuration="large" ovf:value="9"/></Property></ProductSection></VirtualSystem>
</VirtualSystemCollection>
</Envelope>
"""


def listing(image: Path) -> dict[str, str]:
    """Return the files 7-Zip finds on a medium, with their sizes."""
    done = subprocess.run(["7zz", "l", "-slt", image], capture_output=True, text=True, check=True)
    found: dict[str, str] = {}
    name = ""
    for line in done.stdout.partition("----------")[2].splitlines():
        key, _, value = line.partition(" = ")
        name = value if key == "Path" else name
        if key == "Size":
            found[name] = value
    return found


def test_the_document_holds_the_values_given(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", signed_off(WHOLE))
    platform = ("--kind", "KVM", "--version", "8", "--vendor", "us & them")
    zone = ("--locale", "en_GB", "--timezone", "-60")
    done = rehost("ovf", "environment", source, "--property", "ip=192.0.2.7", *platform, *zone)
    assert (done.code, done.out, done.err) == (0, HEAD + PLATFORM + OWN, "")
    assert accepted(done.out.encode(), SCHEMA)
    (tmp_path / "values").write_text("com.example.ip.1=192.0.2.7\n")
    done = rehost("ovf", "environment", source, "--properties", tmp_path / "values")
    assert (done.code, done.out, done.err) == (0, HEAD + OWN, "")


def test_what_has_no_value_is_told(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", signed_off(WHOLE))
    done = rehost("ovf", "environment", source, "-o", tmp_path / "env.xml")
    note = "note: property com.example.ip.1 has no value\n"
    assert seen(done, tmp_path) == (0, "wrote env.xml\n", note)
    assert accepted((tmp_path / "env.xml").read_bytes(), SCHEMA)


def test_own_properties_overrule_those_of_the_collection() -> None:
    text = TWO_LEVELS.replace('ovf:class="net"', "")
    made = environment_of(draft_of(text), "web", Deployment()).document.decode()
    own = made[: made.index("<Entity")]
    assert own.count('oe:key="tier"') == 1
    assert 'oe:value="gold"' not in own


def test_a_system_sees_its_collection_s_properties_and_its_siblings() -> None:
    made = environment_of(draft_of(TWO_LEVELS), "web", Deployment(configuration="large"))
    text = made.document.decode()
    assert (
        text[text.index("  <PropertySection>") :]
        == """\
  <PropertySection>
    <Property oe:key="host" oe:value="example.com"/>
    <Property oe:key="tier" oe:value="${TIER} at $HOME"/>
    <Property oe:key="net.domain" oe:value="example.com"/>
    <Property oe:key="net.tier" oe:value="gold"/>
  </PropertySection>
  <Entity oe:id="db">
    <PropertySection>
      <Property oe:key="c.size" oe:value="9"/>
      <Property oe:key="net.domain" oe:value="example.com"/>
      <Property oe:key="net.tier" oe:value="gold"/>
    </PropertySection>
  </Entity>
</Environment>
"""
    )
    assert accepted(made.document, SCHEMA)


def test_systems_outside_a_collection_are_no_siblings(tmp_path: Path) -> None:
    two = "".join(
        f'<VirtualSystem ovf:id="{name}"><Info>{name}</Info></VirtualSystem>' for name in "ab"
    )
    text = TWO_LEVELS[: TWO_LEVELS.index("<VirtualSystemCollection")] + two + "</Envelope>"
    (tmp_path / "all.ovf").write_text(text)
    (tmp_path / "ovf-env.xml").write_bytes(
        environment_of(draft_of(text), "a", Deployment()).document
    )
    package = Package.open(tmp_path / "ovf-env.xml")
    package.described = Package.open(tmp_path / "all.ovf")
    assert validate(package, descriptor_only=True) == []


@pytest.mark.parametrize("system", ["web", "db"])
def test_the_rules_of_environments_find_nothing_wrong(tmp_path: Path, system: str) -> None:
    (tmp_path / "all.ovf").write_text(TWO_LEVELS)
    made = environment_of(draft_of(TWO_LEVELS), system, Deployment())
    (tmp_path / "ovf-env.xml").write_bytes(made.document)
    (tmp_path / "env.iso").write_bytes(image_of({"ovf-env.xml": made.document}, "OVFENV"))
    for name in ("ovf-env.xml", "env.iso"):
        document = Package.open(tmp_path / name, tolerant=True)
        document.described = Package.open(tmp_path / "all.ovf")
        assert validate(document) == []


REFUSED: dict[str, tuple[str, dict[str, str], str, str, int]] = {
    "an unknown key": (
        TWO_LEVELS,
        {"colour": "red"},
        "web.ovf: has no property 'colour'",
        "There are net.domain, net.tier, host, tier, c.size.",
        2,
    ),
    "a key where there are none": (
        TWO_LEVELS.replace("<Property ", "<Other ").replace("Property>", "Other>"),
        {"colour": "red"},
        "web.ovf: has no property 'colour'",
        "Make it with `rehost ovf add property --user-configurable`.",
        2,
    ),
    "not for users": (
        TWO_LEVELS,
        {"host": "x"},
        "web.ovf:9: property 'host' is not for whoever deploys to set",
        "`rehost ovf set --property` changes the package itself.",
        2,
    ),
    "not of its type": (
        TWO_LEVELS,
        {"c.size": "256"},
        "property 'c.size' cannot have this value ('256')",
        "It is a uint8: a whole number from 0 to 255.",
        2,
    ),
    "no text of XML": (
        TWO_LEVELS.replace('"${domain}"', '"" ovf:userConfigurable="true"'),
        {"host": "a\x01b"},
        "a text holds a character that XML cannot carry ('\\x01' in 'a\\x01b')",
        "Leave it out.",
        2,
    ),
    "a macro of nothing": (
        TWO_LEVELS.replace("${domain}", "${realm}"),
        {},
        "web.ovf:9: no property around it gives ${realm} a value",
        "",
        2,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_package_does_not_allow_is_refused(name: str) -> None:
    text, values, message, hint, code = REFUSED[name]
    with pytest.raises(InteropError) as caught:
        environment_of(draft_of(text), "web", Deployment(values=values))
    assert (str(caught.value), caught.value.hint, caught.value.exit_code) == (message, hint, code)


def test_a_configuration_nobody_can_choose_is_refused() -> None:
    with pytest.raises(InteropError) as caught:
        environment_of(draft_of(TWO_LEVELS), "web", Deployment("huge"))
    assert (str(caught.value), caught.value.hint, caught.value.exit_code) == (
        "web.ovf: has no configuration 'huge'",
        "Make it with `rehost ovf add configuration`.",
        2,
    )


def test_an_environment_that_would_explode_is_refused() -> None:
    entry = '<Property ovf:key="k{}" ovf:type="string" ovf:value=""/>'
    many = "".join(entry.format(n) for n in range(1000))
    systems = "".join(f'<VirtualSystem ovf:id="s{n}"><Info/></VirtualSystem>' for n in range(1000))
    text = TWO_LEVELS.replace("</ProductSection>\n", f"{many}</ProductSection>\n{systems}", 1)
    with pytest.raises(InteropError) as caught:
        environment_of(draft_of(text), "web", Deployment())
    assert str(caught.value) == (
        "web.ovf: environment would hold too much (at most 200000 properties)"
    )


def test_the_medium_is_read_by_others(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", signed_off(WHOLE))
    image = tmp_path / "env.iso"
    done = rehost("ovf", "environment", source, "--property", "ip=192.0.2.7", "--iso", image)
    assert seen(done, tmp_path) == (0, "wrote env.iso\n", "")
    assert listing(image) == {"ovf-env.xml": str(len(HEAD + OWN))}
    for reader in (("7zz", "x", "-so"), ("bsdtar", "xOf")):
        argv = [*reader, str(image), "ovf-env.xml"]
        found = subprocess.run(argv, capture_output=True, check=True).stdout
        assert found.decode() == HEAD + OWN


def test_a_medium_is_the_same_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"meta-data": b"a" * 3000, "ovf-env.xml": b"<x/>", "no letters at all.~": b""}
    first = image_of(files, "config-2")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setattr("time.time", lambda: 4e8)
    assert image_of(files, "config-2") == first
    assert first[32808:32840].decode().strip() == "config-2"


@pytest.mark.parametrize(
    ("files", "label", "message"),
    [
        ({}, "x", "a medium holds 1 to 1000 files of 64 MiB together"),
        ({"a": b""}, "a label", "is no label of a medium ('a label')"),
        ({"a/b": b""}, "x", "is no name for a file on a medium ('a/b')"),
        ({"..": b""}, "x", "is no name for a file on a medium ('..')"),
        ({"é" * 33: b""}, "x", f"is no name for a file on a medium ('{'é' * 33}')"),
    ],
)
def test_what_no_medium_holds_is_refused(files: dict[str, bytes], label: str, message: str) -> None:
    with pytest.raises(InteropError) as caught:
        image_of(files, label)
    assert str(caught.value) == message


def test_configuration_is_put_into_a_package(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", signed_off(WHOLE))
    for name in ("user-data", "meta-data"):
        (tmp_path / name).write_text(name)
    out = tmp_path / "out"
    files = (tmp_path / "user-data", tmp_path / "meta-data")
    more = ("--environment", "--label", "cidata", "--name", "seed.iso")
    done = rehost("ovf", "inject", source, *files, "-o", out, *more)
    wrote = "".join(f"wrote out/{n}\n" for n in ("disk.vmdk", "seed.iso", "web.ovf", "web.mf"))
    assert seen(done, tmp_path) == (0, wrote, "")
    assert set(listing(out / "seed.iso")) == {"user-data", "meta-data", "ovf-env.xml"}
    package = Package.open(out)
    said = package.descriptor.content.decode()
    assert "<rasd:HostResource>ovf:/file/file2</rasd:HostResource>" in said
    assert "<rasd:ResourceType>15</rasd:ResourceType>" in said
    assert Draft.of(package).content == package.descriptor.content


def test_two_files_of_one_name_do_not_fit(tmp_path: Path) -> None:
    source = pack(tmp_path / "web.ova", signed_off(WHOLE))
    (tmp_path / "a").mkdir()
    files = (tmp_path / "a" / "x", tmp_path / "x")
    for file in files:
        file.write_text("x")
    done = rehost("ovf", "inject", source, *files, "-o", tmp_path / "out")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: two files have one name\nhint: A medium holds them in one folder.\n",
    )


def test_a_platform_of_nothing_is_left_out() -> None:
    def document(platform: Platform) -> bytes:
        return environment_of(draft_of(), None, Deployment(platform=platform)).document

    assert b"PlatformSection" not in document(Platform())
    assert b"<Timezone>0</Timezone>" in document(Platform(timezone=0))
