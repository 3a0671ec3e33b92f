"""Processors, memory, adapters and ports: the very lines that change."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ovf.cim import ResourceType
from ovf.edit import hardware, networks, ports, sections
from ovf.edit.controllers import add_controller, free_place, set_controller_type
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware
from ovf.outline import hardware_sections
from rehost.errors import UsageError
from tests.ovf.edit.appliances import WEB, after, draft_of

GIB = 1 << 30
FAMILY = "vmx-10"


def spaced(draft: Draft) -> Draft:
    """Call the configuration that is called large something no item can name."""
    return draft_of(draft.content.decode().replace('ovf:id="large"', 'ovf:id="very large"'))


def test_processors_and_the_name_that_counts_them() -> None:
    assert after(lambda draft: hardware.set_processors(draft, None, 4)) == (
        "- <rasd:ElementName>1 virtual CPU(s)</rasd:ElementName>\n"
        "+ <rasd:ElementName>4 virtual CPU(s)</rasd:ElementName>\n"
        "- <rasd:VirtualQuantity>1</rasd:VirtualQuantity>\n"
        "+ <rasd:VirtualQuantity>4</rasd:VirtualQuantity>"
    )


def test_memory_in_the_unit_that_is_there() -> None:
    assert after(lambda draft: hardware.set_memory(draft, "web", 2 * GIB)) == (
        "- <rasd:ElementName>512MB of memory</rasd:ElementName>\n"
        "+ <rasd:ElementName>2048MB of memory</rasd:ElementName>\n"
        "- <rasd:VirtualQuantity>512</rasd:VirtualQuantity>\n"
        "+ <rasd:VirtualQuantity>2048</rasd:VirtualQuantity>"
    )


def test_memory_that_the_unit_does_not_divide_gets_another() -> None:
    text = WEB.replace("byte * 2^20", "byte * 2^30").replace(">512<", ">1<")
    assert after(lambda draft: hardware.set_memory(draft, None, GIB // 2), text) == (
        "- <rasd:AllocationUnits>byte * 2^30</rasd:AllocationUnits>\n"
        "+ <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
        "- <rasd:VirtualQuantity>1</rasd:VirtualQuantity>\n"
        "+ <rasd:VirtualQuantity>512</rasd:VirtualQuantity>"
    )


MORE = "<rasd:Reservation>1</rasd:Reservation><rasd:Limit>4</rasd:Limit>"
GIBIBYTES = WEB.replace("byte * 2^20", "byte * 2^30").replace(">512<", ">1<")
CLAIMING = GIBIBYTES.replace(
    "<rasd:ResourceType>4</rasd:ResourceType>", f"<rasd:ResourceType>4</rasd:ResourceType>{MORE}"
)


def test_what_memory_claims_of_the_host_is_said_in_the_new_unit() -> None:
    assert after(lambda draft: hardware.set_memory(draft, None, 3 * GIB // 2), CLAIMING) == (
        "- <rasd:AllocationUnits>byte * 2^30</rasd:AllocationUnits>\n"
        "+ <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
        "- <rasd:ResourceType>4</rasd:ResourceType><rasd:Reservation>1</rasd:Reservation>"
        "<rasd:Limit>4</rasd:Limit>\n"
        "+ <rasd:ResourceType>4</rasd:ResourceType><rasd:Reservation>1024</rasd:Reservation>"
        "<rasd:Limit>4096</rasd:Limit>\n"
        "- <rasd:VirtualQuantity>1</rasd:VirtualQuantity>\n"
        "+ <rasd:VirtualQuantity>1536</rasd:VirtualQuantity>"
    )


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (GIB, []),
        (GIB // 2, [f"still reserves {GIB} bytes, more than its memory"]),
        (5 * GIB, [f"is still limited to {4 * GIB} bytes, less than its memory"]),
    ],
)
def test_memory_beyond_what_is_claimed_is_told(size: int, expected: list[str]) -> None:
    draft = draft_of(CLAIMING)
    hardware.set_memory(draft, None, size)
    assert [note.partition("of memory' ")[2] for note in draft.notes] == expected


RANGED = GIBIBYTES.replace(
    "</ovf:VirtualHardwareSection>",
    '<ovf:Item ovf:bound="max"><rasd:ElementName>most</rasd:ElementName>'
    "<rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>"
    "<rasd:VirtualQuantity>2</rasd:VirtualQuantity></ovf:Item></ovf:VirtualHardwareSection>",
)


def test_a_range_of_memory_is_kept_in_its_unit() -> None:
    draft = draft_of(RANGED)
    hardware.set_memory(draft, None, 3 * GIB // 2)
    hardware.set_memory(draft, None, 2 * GIB)
    with pytest.raises(UsageError) as caught:
        hardware.set_memory(draft, None, 3 * GIB)
    expected = f"may have at most {2 * GIB} (asked for {3 * GIB})"
    assert str(caught.value).endswith(expected)


def test_the_same_value_changes_nothing() -> None:
    draft = draft_of()
    hardware.set_memory(draft, None, GIB // 2)
    assert draft.content == WEB.encode()


def test_memory_of_one_configuration_gets_an_item_of_its_own() -> None:
    assert after(lambda draft: hardware.set_memory(draft, None, 4 * GIB, ["large"])) == (
        '+ <ovf:Item ovf:configuration="large">\n'
        "+ <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
        "+ <rasd:ElementName>4096MB of memory</rasd:ElementName>\n"
        "+ <rasd:InstanceID>2</rasd:InstanceID>\n"
        "+ <rasd:ResourceType>4</rasd:ResourceType>\n"
        "+ <rasd:VirtualQuantity>4096</rasd:VirtualQuantity>\n"
        "+ </ovf:Item>"
    )


def test_a_copy_of_an_item_keeps_text_between_elements() -> None:
    mixed = "<our:Note>one <!-- - --><our:B>two</our:B> three</our:Note>"
    text = WEB.replace("<rasd:InstanceID>2<", f"{mixed}<rasd:InstanceID>2<")
    draft = draft_of(text)
    hardware.set_memory(draft, None, 4 * GIB, ["large"])
    assert draft.content.decode().count("<our:Note>one <our:B>two</our:B> three</our:Note>") == 1


def test_a_configuration_leaves_the_item_it_shared() -> None:
    first = WEB.replace(
        "<ovf:Item>\n        <rasd:AllocationUnits>byte",
        '<ovf:Item ovf:configuration="small large">\n        <rasd:AllocationUnits>byte',
    )
    draft = draft_of(first)
    hardware.set_memory(draft, None, GIB, ["large"])
    found = [
        (sorted(item.configurations), item.said["VirtualQuantity"])
        for item in Hardware.of(draft, None).of_kind(ResourceType.MEMORY)
    ]
    assert found == [(["small"], "512"), (["large"], "1024")]


def test_what_is_missing_is_made() -> None:
    start, end = (
        WEB.index("      <ovf:Item>\n        <rasd:AllocationUnits>byte"),
        WEB.index("      <ovf:Item>\n        <rasd:Address>0"),
    )
    text = WEB[:start] + WEB[end:]
    assert after(lambda draft: hardware.set_memory(draft, None, GIB), text) == (
        "+ <ovf:Item>\n"
        "+ <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
        "+ <rasd:Description>Memory Size</rasd:Description>\n"
        "+ <rasd:ElementName>1024MB of memory</rasd:ElementName>\n"
        "+ <rasd:InstanceID>6</rasd:InstanceID>\n"
        "+ <rasd:ResourceType>4</rasd:ResourceType>\n"
        "+ <rasd:VirtualQuantity>1024</rasd:VirtualQuantity>\n"
        "+ </ovf:Item>"
    )


def test_cores_that_do_not_divide_the_processors_are_told() -> None:
    cores = '<vmw:CoresPerSocket ovf:required="false">2</vmw:CoresPerSocket>'
    text = WEB.replace(">1</rasd:VirtualQuantity>", f">1</rasd:VirtualQuantity>{cores}")
    draft = draft_of(text)
    hardware.set_processors(draft, None, 3)
    assert draft.notes == ["web.ovf:59: vmw:CoresPerSocket 2 does not divide 3 processors"]


def test_an_adapter_is_like_the_last_one() -> None:
    assert after(lambda draft: networks.add_nic(draft, None, "inside")) == (
        "+ </ovf:Network>\n"
        '+ <ovf:Network ovf:name="inside">\n'
        "+ <ovf:Description>The inside network</ovf:Description>\n"
        "+ <ovf:Item>\n"
        "+ <rasd:AddressOnParent>8</rasd:AddressOnParent>\n"
        "+ <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n"
        "+ <rasd:Connection>inside</rasd:Connection>\n"
        "+ <rasd:Description>Ethernet adapter on 'inside'</rasd:Description>\n"
        "+ <rasd:ElementName>Ethernet adapter 2</rasd:ElementName>\n"
        "+ <rasd:InstanceID>6</rasd:InstanceID>\n"
        "+ <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>\n"
        "+ <rasd:ResourceType>10</rasd:ResourceType>\n"
        "+ </ovf:Item>"
    )


def test_adapters_by_their_number() -> None:
    draft = draft_of()
    networks.set_nics(draft, None, 3)
    assert draft.content.decode().count("<rasd:ResourceType>10<") == 3
    networks.set_nics(draft, None, 1)
    assert draft.content == WEB.encode()
    networks.set_nics(draft, None, 0)
    assert draft.content.decode().count("<rasd:ResourceType>10<") == 0


def test_words_go_to_adapters_in_their_order() -> None:
    draft = draft_of()
    networks.set_nics(draft, None, 3)
    networks.set_nic_words(draft, None, "Address", ["00:50:56:00:00:01", "00:50:56:00:00:02"])
    networks.set_nic_words(draft, None, "Connection", ["a", "b"])
    said = draft.content.decode()
    assert said.count(">00:50:56:00:00:01<") == 1
    assert said.count(">00:50:56:00:00:02<") == 2
    assert (said.count("Connection>a<"), said.count("Connection>b<")) == (1, 2)
    assert 'VmxNet3 adapter on "a"' in said


def test_a_network_is_renamed_wherever_it_is_named() -> None:
    assert after(lambda draft: networks.rename_network(draft, "VM Network", "lan")) == (
        '- <ovf:Network ovf:name="VM Network">\n'
        '+ <ovf:Network ovf:name="lan">\n'
        "- <rasd:Connection>VM Network</rasd:Connection>\n"
        "+ <rasd:Connection>lan</rasd:Connection>\n"
        '- <rasd:Description>VmxNet3 adapter on "VM Network"</rasd:Description>\n'
        '+ <rasd:Description>VmxNet3 adapter on "lan"</rasd:Description>'
    )


MEMORY = "<rasd:VirtualQuantity>512</rasd:VirtualQuantity>"
OURS = '<our:VirtualQuantity ovf:required="false">9</our:VirtualQuantity>'


def test_an_extension_of_the_same_name_is_left_alone() -> None:
    assert after(
        lambda draft: hardware.set_memory(draft, None, GIB), WEB.replace(MEMORY, MEMORY + OURS)
    ) == (
        "- <rasd:ElementName>512MB of memory</rasd:ElementName>\n"
        "+ <rasd:ElementName>1024MB of memory</rasd:ElementName>\n"
        f"- {MEMORY}{OURS}\n"
        f"+ {MEMORY.replace('512', '1024')}{OURS}"
    )


def test_what_an_item_lacks_goes_before_its_extensions() -> None:
    draft = draft_of(WEB.replace(MEMORY, OURS))
    hardware.set_memory(draft, None, GIB)
    said = draft.content.decode()
    assert f"{MEMORY.replace('512', '1024')}\n        {OURS}" in said


def test_a_network_is_described() -> None:
    assert after(lambda draft: networks.describe_network(draft, "VM Network", "Outside")) == (
        "- <ovf:Description>The VM Network network</ovf:Description>\n"
        "+ <ovf:Description>Outside</ovf:Description>"
    )


def test_serial_ports_and_where_they_lead() -> None:
    draft = draft_of()
    ports.set_serial_ports(draft, None, 2)
    ports.set_serial_connections(draft, None, ["telnet://:9101"])
    said = draft.content.decode()
    assert said.count("<rasd:ResourceType>21<") == 2
    assert said.count("<rasd:Address>telnet://:9101<") == 1
    ports.set_serial_ports(draft, None, 0)
    assert draft.content == WEB.encode()


def test_the_hardware_family() -> None:
    assert after(lambda draft: hardware.set_hardware_type(draft, None, ["vmx-13", "vmx-14"])) == (
        "- <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>\n"
        "+ <vssd:VirtualSystemType>vmx-13 vmx-14</vssd:VirtualSystemType>"
    )


def test_a_system_that_is_not_described_is_made() -> None:
    start, end = WEB.index("      <ovf:System>"), WEB.index("      <ovf:Item>")
    text = WEB[:start] + WEB[end:]
    assert after(lambda draft: hardware.set_hardware_type(draft, None, ["vmx-13"]), text) == (
        "+ <ovf:System>\n"
        "+ <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>\n"
        "+ <vssd:InstanceID>0</vssd:InstanceID>\n"
        "+ <vssd:VirtualSystemIdentifier>web</vssd:VirtualSystemIdentifier>\n"
        "+ <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>\n"
        "+ </ovf:System>"
    )


def test_controllers_and_their_places() -> None:
    draft = draft_of()
    assert free_place(draft, None, "scsi") == ("3", 1)
    assert free_place(draft, None, "scsi", (1, 8)) == ("6", 8)
    assert free_place(draft, None, "ide") == ("7", 0)
    assert add_controller(draft, None, "sata") == "8"
    set_controller_type(draft, None, ResourceType.SCSI, "VirtualSCSI")
    said = draft.content.decode()
    assert said.count("<rasd:ResourceSubType>VirtualSCSI<") == 2
    assert said.count("<rasd:ResourceSubType>AHCI<") == 1


RANGE = """      <ovf:Item ovf:bound="max">
        <rasd:ElementName>most</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>2</rasd:VirtualQuantity>
      </ovf:Item>
"""


def without_the_common(draft: Draft) -> None:
    hardware.set_memory(draft, None, GIB, ["small"])
    section = Hardware.of(draft, None)
    section.remove(section.of_kind(ResourceType.MEMORY)[:1])
    draft.settle()
    hardware.set_memory(draft, None, GIB, ["large"])


REFUSED: dict[str, tuple[Callable[[Draft], object], str, str]] = {
    "no processors": (
        lambda draft: hardware.set_processors(draft, None, 0),
        "is an impossible number of processors (0)",
        "",
    ),
    "more than the range": (
        lambda draft: hardware.set_processors(draft, None, 3),
        "web.ovf:100: Item '1 virtual CPU(s)' may have at most 2 (asked for 3)",
        "The package gives this range itself; stay inside it.",
    ),
    "no memory": (
        lambda draft: hardware.set_memory(draft, None, 0),
        "is an impossible size of memory (0)",
        "",
    ),
    "more memory than can be addressed": (
        lambda draft: hardware.set_memory(draft, None, (1 << 52) + 1),
        "is an impossible size of memory (4503599627370497)",
        "",
    ),
    "a name of two lines": (
        lambda draft: sections.set_name(draft, None, "a\nb"),
        "is no name of a machine ('a\\nb')",
        "Pass one line of text.",
    ),
    "an unknown configuration": (
        lambda draft: hardware.set_memory(draft, None, GIB, ["huge"]),
        "web.ovf: has no configuration 'huge'",
        "There are 'small', 'large'.",
    ),
    "a configuration of two words": (
        lambda draft: hardware.set_memory(spaced(draft), None, GIB, ["very large"]),
        "web.ovf: no item can be for a configuration of the id 'very large'",
        "Give it an id without spaces.",
    ),
    "an unknown system": (
        lambda draft: hardware.set_memory(draft, "db", GIB),
        "web.ovf: has no virtual system of the id 'db'",
        "There are 'web'.",
    ),
    "a bad address": (
        lambda draft: networks.add_nic(draft, None, mac="00:50"),
        "is no MAC address ('00:50')",
        "One is written 00:50:56:00:00:01.",
    ),
    "an address of two manners": (
        lambda draft: networks.add_nic(draft, None, mac="00:5056-112233"),
        "is no MAC address ('00:5056-112233')",
        "One is written 00:50:56:00:00:01.",
    ),
    "more addresses than adapters": (
        lambda draft: networks.set_nic_words(draft, None, "ElementName", ["a", "b"]),
        "web.ovf:51: has fewer network adapters (1) than values for them (2)",
        "",
    ),
    "too many adapters": (
        lambda draft: networks.set_nics(draft, None, 1000),
        "is an impossible number of network adapters (1000)",
        "",
    ),
    "an unknown network": (
        lambda draft: networks.rename_network(draft, "lan", "wan"),
        "web.ovf: has no network 'lan'",
        "There are 'VM Network'.",
    ),
    "a network twice": (
        lambda draft: networks.add_network(draft, "VM Network"),
        "web.ovf: there is a network 'VM Network' already",
        "",
    ),
    "a network in use": (
        lambda draft: networks.remove_network(draft, "VM Network"),
        "web.ovf:89: network 'VM Network' is in use by Item 'Ethernet 1'",
        "Connect it to another network first, or remove it.",
    ),
    "an unknown adapter": (
        lambda draft: networks.remove_nic(draft, None, "eth9"),
        "web.ovf:51: no item is called 'eth9'",
        "There are 5 'Ethernet 1'.",
    ),
    "too many ports": (
        lambda draft: ports.set_serial_ports(draft, None, 99),
        "is an impossible number of serial ports (99)",
        "",
    ),
    "more connections than ports": (
        lambda draft: ports.set_serial_connections(draft, None, ["a"]),
        "web.ovf:51: there are 0 serial ports, but 1 connections for them",
        "",
    ),
    "no such controller": (
        lambda draft: set_controller_type(draft, None, ResourceType.IDE, "PIIX4"),
        "web.ovf:51: has no such controller",
        "",
    ),
    "a place that is taken": (
        lambda draft: free_place(draft, None, "scsi", (0, 0)),
        "web.ovf:74: another drive is at scsi0:0",
        "Name another place.",
    ),
    "more controllers than there may be": (
        lambda draft: [add_controller(draft, None, "ide") for _ in range(3)],
        "web.ovf: there are 2 ide controllers already, as many as there may be",
        "",
    ),
    "nothing to differ from": (
        without_the_common,
        "web.ovf: nothing says what 'large' is to differ from",
        "Set it without a configuration first.",
    ),
    "the adapter's own place": (
        lambda draft: free_place(draft, None, "scsi", (0, 7)),
        "there is no such place on scsi (0:7)",
        "",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_in_these_words(name: str) -> None:
    change, message, hint = REFUSED[name]
    last = "    </ovf:VirtualHardwareSection>"
    draft = draft_of(WEB.replace(last, RANGE + last))
    with pytest.raises(UsageError) as caught:
        change(draft)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_of_several_hardware_sections_the_first_is_changed_with_a_word() -> None:
    start = WEB.index("    <ovf:VirtualHardwareSection")
    end = WEB.index("  </ovf:VirtualSystem>")
    draft = draft_of(WEB[:end] + WEB[start:end] + WEB[end:])
    hardware.set_memory(draft, None, GIB)
    assert draft.notes == [
        "web.ovf:51: of 2 hardware sections only the first is changed; --hardware-section names"
        " another"
    ]


@pytest.mark.parametrize("named", ["2", "kvm", "kvm-2"])
def test_another_hardware_section_is_named_by_place_id_or_family(named: str) -> None:
    start = WEB.index("    <ovf:VirtualHardwareSection")
    end = WEB.index("  </ovf:VirtualSystem>")
    second = WEB[start:end].replace(
        "<ovf:VirtualHardwareSection", '<ovf:VirtualHardwareSection ovf:id="kvm"', 1
    )
    assert FAMILY in second
    draft = draft_of(WEB[:end] + second.replace(FAMILY, "xen-3 kvm-2") + WEB[end:])
    before = [section.items for section in hardware_sections(draft.envelope)]
    draft.section = named
    hardware.set_memory(draft, None, 3 * GIB)
    assert draft.notes == []
    after = [section.items for section in hardware_sections(draft.envelope)]
    assert [each.said for each in after[0]] == [each.said for each in before[0]]
    assert [each.said for each in after[1]] != [each.said for each in before[1]]


def test_a_hardware_section_nobody_has_is_refused() -> None:
    draft = draft_of(WEB)
    draft.section = "xen"
    with pytest.raises(UsageError) as caught:
        hardware.set_memory(draft, None, GIB)
    assert str(caught.value) == "web.ovf:51: no one hardware section is 'xen'"
    assert caught.value.hint == f"There are 1, {FAMILY}."


def test_very_many_items_are_changed_and_removed_in_their_time() -> None:
    start = WEB.index("      <ovf:Item>\n        <rasd:AddressOnParent>7")
    end = WEB.index("    </ovf:VirtualHardwareSection>")
    nic = WEB[start:end]
    many = "".join(nic.replace("ID>5<", f"ID>{number}<") for number in range(5, 8005))
    draft = draft_of(WEB[:start] + many + WEB[end:])
    began = time.monotonic()
    networks.set_nic_words(draft, None, "Connection", ["lan"])
    networks.set_nics(draft, None, 1)
    assert draft.content.decode().count("<rasd:ResourceType>10<") == 1
    assert time.monotonic() - began < 30


def test_names_count_up_from_the_last_that_is_given() -> None:
    draft = draft_of(WEB)
    networks.set_nics(draft, None, 4)
    networks.set_nic_words(draft, None, "ElementName", ["mgmt", "eth{0}"])
    networks.set_nic_words(draft, None, "Connection", ["net{10}"])
    nics = Hardware.of(draft, None).distinct(ResourceType.ETHERNET)
    assert [nic.said["ElementName"] for nic in nics] == ["mgmt", "eth0", "eth1", "eth2"]
    connections = ["net10", "net11", "net12", "net13"]
    assert [nic.said["Connection"] for nic in nics] == connections
    assert {*connections} <= {network.name for network in draft.envelope.networks}
