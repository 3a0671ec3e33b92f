"""Logical networks, and the adapters that connect to them.

Spec: DSP0243 clauses 8.3 (Connection, Address) and 9.2 (NetworkSection).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware
from ovf.outline import WrittenItem, children_of, items, whole
from rehost.errors import UsageError

MAC = re.compile(r"[0-9a-f]{2}([:-]?)([0-9a-f]{2}\1){4}[0-9a-f]{2}", re.IGNORECASE)
MOST_NICS = 64
NUMBER = re.compile(r"\{([0-9]{1,9})\}")
"""A number that counts up from one adapter to the next: ``eth{0}``."""
COUNTED = frozenset(("Connection", "ElementName"))
NETWORKS = ("NetworkSection", "Network", "name")


def add_network(draft: Draft, name: str, description: str | None = None) -> None:
    """Add a logical network."""
    _refuse_blank(name)
    if any(network.name == name for network in draft.envelope.networks):
        raise UsageError(f"there is a network {name!r} already", where=draft.envelope.label)
    network = draft.new("Network", name=name)
    network.append(draft.new("Description", description or f"The {name} network"))
    draft.list_in("NetworkSection", "The list of logical networks", network)


def rename_network(draft: Draft, old: str, new: str) -> None:
    """Rename a network, and whatever connects to it."""
    element = draft.entry(*NETWORKS, old)
    _refuse_blank(new)
    if any(network.name == new for network in draft.envelope.networks):
        raise UsageError(f"there is a network {new!r} already", where=draft.envelope.label)
    draft.set(element, "name", new)
    for item in items(draft.envelope):
        if item.said.get("Connection") == old:
            draft.write(children_of(item.element, "Connection", draft.envelope)[-1], new)
            _mend_description(draft, item, new)
    draft.settle()


def describe_network(draft: Draft, name: str, text: str) -> None:
    """Say what a network is for."""
    draft.child(draft.entry(*NETWORKS, name), "Description", text, ("Description",))
    draft.settle()


def remove_network(draft: Draft, name: str) -> None:
    """Remove a network that nothing connects to."""
    element = draft.entry(*NETWORKS, name)
    users = [item for item in items(draft.envelope) if item.said.get("Connection") == name]
    if users:
        raise UsageError(
            f"network {name!r} is in use by {users[0].label}",
            where=draft.where(users[0].element),
            hint="Connect it to another network first, or remove it.",
        )
    draft.text.remove(element)
    draft.settle()


def add_nic(
    draft: Draft,
    system: str | None,
    network: str | None = None,
    *,
    model: str | None = None,
    mac: str | None = None,
    connected: bool | None = None,
    configuration: str | None = None,
) -> str:
    """Add a network adapter like the last one; return its InstanceID.

    Without a network it joins that of the last adapter, or the first of the package.
    """
    _refuse_bad_mac(mac)
    known = [each.name for each in draft.envelope.networks if each.name]
    last = Hardware.of(draft, system).distinct(ResourceType.ETHERNET)[-1:]
    said = last[0].said if last else {}
    network = network or said.get("Connection") or next(iter(known), "VM Network")
    if network not in known:
        add_network(draft, network)
    hardware = Hardware.of(draft, system)
    nics = hardware.distinct(ResourceType.ETHERNET)
    places = [whole(each.said.get("AddressOnParent")) for each in nics]
    numbers = [place for place in places if place is not None]
    name = f"Ethernet adapter {len(nics) + 1}"
    return hardware.add(
        ResourceType.ETHERNET,
        {
            "Address": mac,
            "AddressOnParent": str(max(numbers) + 1) if numbers else None,
            "AutomaticAllocation": said.get("AutomaticAllocation", "true")
            if connected is None
            else str(connected).lower(),
            "Connection": network,
            "Description": f"Ethernet adapter on '{network}'",
            "ElementName": name,
            "ResourceSubType": model or said.get("ResourceSubType", "E1000"),
        },
        configuration=configuration,
    )


def set_nics(draft: Draft, system: str | None, count: int) -> None:
    """Have this many adapters: more like the last one, or none of the last ones."""
    if not 0 <= count <= MOST_NICS:
        raise UsageError(f"is an impossible number of network adapters ({count})")
    hardware = Hardware.of(draft, system)
    nics = hardware.distinct(ResourceType.ETHERNET)
    surplus = {each.instance for each in nics[count:]}
    hardware.remove([each for each in hardware.items if _is_nic(each, surplus)])
    draft.settle()
    for _ in range(count - len(nics)):
        add_nic(draft, system)


def set_nic_words(
    draft: Draft, system: str | None, name: str, values: Sequence[str], *, which: str | None = None
) -> None:
    """Give the adapters, or the one that is called ``which``, what ``name`` says of each.

    The values go to the adapters in their order, and the last one to all that are left; in names,
    a number in braces in it counts up with them.
    """
    nics = _nics(Hardware.of(draft, system), which)
    if len(values) > len(nics):
        raise UsageError(
            f"has fewer network adapters ({len(nics)}) than values for them ({len(values)})",
            where=draft.where(Hardware.of(draft, system).section),
        )
    series = [_value(values, number, counted=name in COUNTED) for number in range(len(nics))]
    _prepare(draft, name, series)
    hardware = Hardware.of(draft, system)
    kind = ResourceType.ETHERNET
    chosen = {nic.instance: value for nic, value in zip(nics, series, strict=True)}
    for element in hardware.of_kind(kind):
        if (value := chosen.get(element.instance)) is not None:
            hardware.say(element, name, value)
            if name == "Connection":
                _mend_description(draft, element, value)
    draft.settle()


def _nics(hardware: Hardware, which: str | None) -> list[WrittenItem]:
    kind = ResourceType.ETHERNET
    return hardware.chosen(which, kind)[:1] if which else hardware.distinct(kind)


def _value(values: Sequence[str], number: int, *, counted: bool) -> str:
    """Return what is said of an adapter: its own value, or the last, counted up to it."""
    last = len(values) - 1
    further = max(0, number - last)
    text = values[min(number, last)]
    if not counted:
        return text
    return NUMBER.sub(lambda found: str(int(found[1]) + further), text)


def _prepare(draft: Draft, name: str, values: Sequence[str]) -> None:
    """See that addresses are some, and that there are the networks to connect to."""
    if name == "Address":
        for mac in values:
            _refuse_bad_mac(mac)
    if name == "Connection":
        known = {each.name for each in draft.envelope.networks}
        for network in dict.fromkeys(values):
            if network not in known:
                add_network(draft, network)


def remove_nic(draft: Draft, system: str | None, name: str) -> None:
    """Remove a network adapter by its InstanceID or its name."""
    hardware = Hardware.of(draft, system)
    instances = {each.instance for each in hardware.chosen(name, ResourceType.ETHERNET)}
    hardware.remove([each for each in hardware.items if _is_nic(each, instances)])
    draft.settle()


def _is_nic(item: WrittenItem, instances: set[str | None]) -> bool:
    kind = str(int(ResourceType.ETHERNET))
    return item.instance in instances and item.said.get("ResourceType", kind) == kind


def _mend_description(draft: Draft, item: WrittenItem, network: str) -> None:
    """Let a description that quotes the network an adapter was on quote the new one."""
    old = item.said.get("Connection", "")
    for child in item.element.iterchildren("{*}Description"):
        text = child.text or ""
        for quote in "'\"":
            text = text.replace(f"{quote}{old}{quote}", f"{quote}{network}{quote}")
        draft.write(child, text)


def _refuse_blank(name: str) -> None:
    if not name.strip():
        raise UsageError(f"is no name of a network ({name!r})", hint="Write a word at least.")


def _refuse_bad_mac(mac: str | None) -> None:
    if mac is not None and not MAC.fullmatch(mac):
        raise UsageError(f"is no MAC address ({mac!r})", hint="One is written 00:50:56:00:00:01.")
