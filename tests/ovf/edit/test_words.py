"""Names, products, properties, licences, configurations: the very lines that change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ovf.edit import hardware, networks, options, ports, products, sections
from ovf.edit.draft import Draft
from ovf.edit.products import PropertyWords
from ovf.edit.transport import set_transport
from ovf.environment.values import check_value
from rehost.errors import InteropError, UnsupportedInputError, UsageError
from tests.ovf.edit.appliances import WEB, after, draft_of

CHANGES: dict[str, tuple[Callable[[Draft], object], str]] = {
    "a name, but no id": (
        lambda draft: sections.set_name(draft, None, "shop & co"),
        "- <ovf:Name>web</ovf:Name>\n"
        "+ <ovf:Name>shop &amp; co</ovf:Name>\n"
        "- <vssd:VirtualSystemIdentifier>web</vssd:VirtualSystemIdentifier>\n"
        "+ <vssd:VirtualSystemIdentifier>shop &amp; co</vssd:VirtualSystemIdentifier>",
    ),
    "an annotation": (
        lambda draft: sections.set_annotation(draft, "web", "It serves."),
        "+ <ovf:AnnotationSection>\n"
        "+ <ovf:Info>A description of it</ovf:Info>\n"
        "+ <ovf:Annotation>It serves.</ovf:Annotation>\n"
        "+ </ovf:AnnotationSection>",
    ),
    "a licence": (
        lambda draft: sections.set_eula(draft, None, "one\ntwo"),
        "+ <ovf:EulaSection>\n"
        "+ <ovf:Info>The licence to be accepted</ovf:Info>\n"
        "+ <ovf:License>one\n"
        "+ two</ovf:License>\n"
        "+ </ovf:EulaSection>",
    ),
    "an operating system": (
        lambda draft: sections.set_operating_system(draft, None, 94),
        '- <ovf:OperatingSystemSection ovf:id="96" vmw:osType="debian10_64Guest">\n'
        '+ <ovf:OperatingSystemSection ovf:id="94" vmw:osType="debian10_64Guest">\n'
        "- <ovf:Description>Debian (64 bit)</ovf:Description>\n"
        "+ <ovf:Description>Ubuntu (64 bit)</ovf:Description>",
    ),
    "a product": (
        lambda draft: products.set_product(draft, None, {"Version": "2", "Vendor": "Us"}),
        "+ <ovf:Vendor>Us</ovf:Vendor>\n"
        "- <ovf:Version>1.0</ovf:Version>\n"
        "+ <ovf:Version>2</ovf:Version>",
    ),
    "a product of another class": (
        lambda draft: products.set_product(draft, None, {"Product": "DB"}, "org.db"),
        "+ </ovf:ProductSection>\n"
        '+ <ovf:ProductSection ovf:class="org.db">\n'
        "+ <ovf:Info>Information about the installed software</ovf:Info>\n"
        "+ <ovf:Product>DB</ovf:Product>",
    ),
    "a value of a property": (
        lambda draft: products.set_property(draft, None, "port", PropertyWords("8080")),
        '- <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80"/>\n'
        '+ <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="8080"/>',
    ),
    "a property by its whole name": (
        lambda draft: products.set_property(draft, None, "com.example.port.1", PropertyWords("1")),
        '- <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80"/>\n'
        '+ <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="1"/>',
    ),
    "all of a property": (
        lambda draft: products.set_property(
            draft,
            None,
            "port",
            PropertyWords(label="Port", description="To listen on", user_configurable=True),
        ),
        '- <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80"/>\n'
        '+ <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80"'
        ' ovf:userConfigurable="true">\n'
        "+ <ovf:Label>Port</ovf:Label>\n"
        "+ <ovf:Description>To listen on</ovf:Description>\n"
        "+ </ovf:Property>",
    ),
    "a value for a configuration": (
        lambda draft: products.set_property(
            draft, None, "port", PropertyWords(values={"large": "81"})
        ),
        '- <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80"/>\n'
        '+ <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80">\n'
        '+ <ovf:Value ovf:configuration="large" ovf:value="81"/>\n'
        "+ </ovf:Property>",
    ),
    "a new property": (
        lambda draft: products.set_property(
            draft,
            None,
            "pass",
            PropertyWords("x", password=True, qualifiers="MinLen(1)"),
            create=True,
        ),
        '+ <ovf:Property ovf:key="pass" ovf:type="string" ovf:value="x" ovf:qualifiers="MinLen(1)"'
        ' ovf:password="true"/>',
    ),
    "a property less": (
        lambda draft: products.remove_property(draft, None, "port"),
        '- <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80"/>',
    ),
    "a transport": (
        lambda draft: set_transport(draft, None, ["com.vmware.guestInfo", "urn:us"]),
        '- <ovf:VirtualHardwareSection ovf:transport="com.vmware.guestInfo">\n'
        '+ <ovf:VirtualHardwareSection ovf:transport="com.vmware.guestInfo urn:us">',
    ),
    "a configuration": (
        lambda draft: options.add_configuration(draft, "huge", "Huge", "For all", default=True),
        '- <ovf:Configuration ovf:id="small" ovf:default="true">\n'
        '+ <ovf:Configuration ovf:id="small">\n'
        "+ </ovf:Configuration>\n"
        '+ <ovf:Configuration ovf:id="huge" ovf:default="true">\n'
        "+ <ovf:Label>Huge</ovf:Label>\n"
        "+ <ovf:Description>For all</ovf:Description>",
    ),
    "a configuration less": (
        lambda draft: options.remove_configuration(draft, "large"),
        "- </ovf:Configuration>\n"
        '- <ovf:Configuration ovf:id="large">\n'
        "- <ovf:Label>Large</ovf:Label>\n"
        "- <ovf:Description>For working</ovf:Description>",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_these_lines_change_and_no_others(name: str) -> None:
    change, lines = CHANGES[name]
    assert after(change) == lines


def test_a_system_type_that_is_left_behind_is_told() -> None:
    draft = draft_of()
    sections.set_operating_system(draft, None, 94)
    assert draft.notes == ["web.ovf:47: vmw:osType still says debian10_64Guest"]


def test_an_environment_on_a_medium_gets_a_drive() -> None:
    draft = draft_of()
    for _ in range(2):
        set_transport(draft, None, ["iso"])
    said = draft.content.decode()
    assert said.count("<rasd:ResourceType>15<") == 1
    assert "<rasd:AutomaticAllocation>false</rasd:AutomaticAllocation>" in said


def test_a_text_that_was_translated_is_no_longer() -> None:
    text = WEB.replace("<ovf:Name>", '<ovf:Name ovf:msgid="m">')
    done = after(lambda draft: sections.set_name(draft, None, "shop"), text)
    assert done.splitlines()[:2] == [
        '- <ovf:Name ovf:msgid="m">web</ovf:Name>',
        "+ <ovf:Name>shop</ovf:Name>",
    ]


def test_attributes_whose_prefix_was_forgotten_stay_so() -> None:
    text = WEB.replace('ovf:type="uint16" ovf:value="80"', 'type="uint16" value="80"')
    done = after(lambda draft: products.set_property(draft, None, "port", PropertyWords("1")), text)
    assert done.splitlines()[1] == '+ <ovf:Property ovf:key="port" type="uint16" value="1"/>'


COLLECTION = WEB.replace(
    '  <ovf:VirtualSystem ovf:id="web">',
    '  <ovf:VirtualSystemCollection ovf:id="all">\n    <ovf:Info>Two</ovf:Info>\n'
    '  <ovf:VirtualSystem ovf:id="web">',
).replace(
    "  </ovf:VirtualSystem>\n",
    '  </ovf:VirtualSystem>\n    <ovf:VirtualSystem ovf:id="db">\n      <ovf:Info/>\n'
    "    </ovf:VirtualSystem>\n  </ovf:VirtualSystemCollection>\n",
)


def test_one_of_several_systems_is_named() -> None:
    done = after(lambda draft: sections.set_name(draft, "db", "x"), COLLECTION)
    assert done == "+ <ovf:Name>x</ovf:Name>"


def test_a_collection_is_named_too() -> None:
    done = after(lambda draft: sections.set_annotation(draft, "all", "Both"), COLLECTION)
    assert "+ <ovf:Annotation>Both</ovf:Annotation>" in done


def of_another_class(draft: Draft, *, remove: bool = False) -> None:
    products.set_product(draft, "web", {"Product": "x"}, "org.x")
    words = PropertyWords("1")
    products.set_property(draft, "web", "port", words, product_class="org.x", create=True)
    if remove:
        products.remove_property(draft, "web", "port")
    products.set_property(draft, "web", "port", words)


def of_one_id(draft: Draft) -> None:
    draft.set(draft.envelope.systems[1], "id", "web")
    draft.settle()
    sections.set_name(draft, "web", "x")


REFUSED: dict[str, tuple[Callable[[Draft], object], str, str]] = {
    "one of several": (
        lambda draft: sections.set_name(draft, None, "x"),
        "web.ovf: describes 2 virtual systems ('web', 'db')",
        "Choose one by its id: --system ID.",
    ),
    "none of several": (
        lambda draft: sections.set_name(draft, "x", "x"),
        "web.ovf: has no virtual system or collection of the id 'x'",
        "There are 'all', 'web', 'db'.",
    ),
    "an unknown property": (
        lambda draft: products.set_property(draft, "web", "colour", PropertyWords("red")),
        "web.ovf: has no property 'colour'",
        "There are com.example.ip.1, com.example.port.1, com.example.mode.1.",
    ),
    "two properties of one key": (
        of_another_class,
        "web.ovf: several properties have the key 'port'",
        "Name one in full: com.example.port.1, org.x.port.",
    ),
    "one of two properties to remove": (
        lambda draft: of_another_class(draft, remove=True),
        "web.ovf: has several properties 'port'",
        "There are com.example.port.1, org.x.port.",
    ),
    "one of two systems of one id": (
        of_one_id,
        "web.ovf: has 2 virtual systems or collections of the id 'web'",
        "There are 'all', 'web', 'web'.",
    ),
    "no property to remove": (
        lambda draft: products.remove_property(draft, "web", "colour"),
        "web.ovf: has no property 'colour'",
        "There are com.example.ip.1, com.example.port.1, com.example.mode.1.",
    ),
    "no number": (
        lambda draft: products.set_property(draft, "web", "port", PropertyWords("65536")),
        "property 'port' cannot have this value ('65536')",
        "It is a uint16: a whole number from 0 to 65535.",
    ),
    "none of the values": (
        lambda draft: products.set_property(draft, "web", "mode", PropertyWords("c")),
        "property 'mode' cannot have this value ('c')",
        "It is one of 'a', 'b'.",
    ),
    "a password that is not repeated": (
        lambda draft: products.set_property(
            draft, "web", "ip", PropertyWords("secret", password=True, qualifiers="MaxLen(3)")
        ),
        "property 'ip' cannot have this value",
        "The value is longer than MaxLen(3).",
    ),
    "an operating system nobody knows": (
        lambda draft: sections.set_operating_system(draft, "web", 4711),
        "no operating system is known by this number (4711)",
        "Give a description with it.",
    ),
    "a type nobody knows": (
        lambda draft: products.set_property(draft, "web", "port", PropertyWords(type="int")),
        "is no type of a property ('int')",
        "There are uint8, uint16, uint32, uint64, sint8, sint16, sint32, sint64, string, boolean, "
        "real32, real64.",
    ),
    "qualifiers nobody can read": (
        lambda draft: products.set_property(draft, "web", "ip", PropertyWords(qualifiers="Max(")),
        "property 'ip' cannot have these qualifiers (cannot be read from 'Max(' on)",
        'Write, for example, MinLen(1),MaxLen(20) or ValueMap{"a","b"}.',
    ),
    "a property without a key": (
        lambda draft: products.set_property(draft, "web", " ", PropertyWords(), create=True),
        "is no key of a property (' ')",
        "Write a word at least.",
    ),
    "a value for no configuration": (
        lambda draft: products.set_property(
            draft, "web", "port", PropertyWords(values={"huge": "1"})
        ),
        "web.ovf: has no configuration 'huge'",
        "There are 'small', 'large'.",
    ),
    "a network without a name": (
        lambda draft: networks.add_network(draft, ""),
        "is no name of a network ('')",
        "Write a word at least.",
    ),
    "a configuration twice": (
        lambda draft: options.add_configuration(draft, "small", "", ""),
        "web.ovf: there is a configuration 'small' already",
        "",
    ),
    "a configuration that no item can name": (
        lambda draft: options.add_configuration(draft, "very large", "", ""),
        "web.ovf: no item can be for a configuration of the id 'very large'",
        "Give it an id without spaces.",
    ),
    "no configuration": (
        lambda draft: options.set_default_configuration(draft, "huge"),
        "web.ovf: has no configuration 'huge'",
        "There are 'small', 'large'.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_in_these_words(name: str) -> None:
    change, message, hint = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        change(draft_of(COLLECTION))
    assert (str(caught.value), caught.value.hint) == (message, hint)


NO_XML: dict[str, Callable[[Draft, str], object]] = {
    "an annotation": lambda draft, text: sections.set_annotation(draft, None, text),
    "a name": lambda draft, text: sections.set_name(draft, None, text),
    "a property": lambda draft, text: products.set_property(
        draft, None, text, PropertyWords(), create=True
    ),
    "a configuration": lambda draft, text: options.add_configuration(draft, text, "", ""),
    "a family": lambda draft, text: hardware.set_hardware_type(draft, None, [text]),
    "a network": lambda draft, text: networks.add_nic(draft, None, text, model="E1000"),
    "a port": lambda draft, text: ports.add_serial_port(draft, None, connection=text),
}


@pytest.mark.parametrize("character", ["\x01", "\udcff", "\uffff"])
@pytest.mark.parametrize("name", NO_XML)
def test_a_character_no_document_can_hold_is_refused(name: str, character: str) -> None:
    with pytest.raises(UsageError) as caught:
        NO_XML[name](draft_of(WEB), f"a{character}b")
    assert caught.value.hint == "Leave it out."
    assert str(caught.value) == (
        f"a text holds a character that XML cannot carry ({character!r} in {f'a{character}b'!r})"
    )


def test_a_dialect_is_not_edited() -> None:
    with pytest.raises(UnsupportedInputError) as caught:
        draft_of('<Envelope xmlns="http://www.vmware.com/schema/ovf/1/envelope"/>')
    assert str(caught.value) == "web.ovf: is in a dialect that is read but not edited (OVF 0.9)"
    assert caught.value.hint == "Restate it as OVF 1.x first: rehost ovf restate --to 1."


def test_a_descriptor_without_a_machine() -> None:
    start, end = WEB.index("  <ovf:VirtualSystem"), WEB.index("</ovf:Envelope>")
    with pytest.raises(InteropError) as caught:
        sections.set_name(draft_of(WEB[:start] + WEB[end:]), None, "x")
    assert str(caught.value) == "web.ovf: describes no virtual system"


@pytest.mark.parametrize(
    ("value", "kind", "qualifiers", "wrong"),
    [
        ("", "uint8", "", None),
        ("255", "uint8", "", None),
        ("256", "uint8", "", "It is a uint8: a whole number from 0 to 255."),
        ("-129", "sint8", "", "It is a sint8: a whole number from -128 to 127."),
        ("yes", "boolean", "", "It is a boolean: true or false."),
        ("True", "boolean", "", None),
        ("1.5e3", "real32", "", None),
        ("1,5", "real64", "", "It is a real64: a number such as 1.5."),
        ("ab", "string", "MinLen(3)", "The value is shorter than MinLen(3)."),
        ("abcd", "string", "MinLen(1),MaxLen(3)", "The value is longer than MaxLen(3)."),
        ("x", "string", 'ValueMap{"x", "y"}', None),
        ("anything", "ip", "", None),
    ],
)
def test_values_of_properties(value: str, kind: str, qualifiers: str, wrong: str | None) -> None:
    assert check_value(value, kind, qualifiers) == wrong
