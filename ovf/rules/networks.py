"""Rules of the NetworkSection: clause 9.2."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ovf.judging.rule import VERSION_2, Basis, rule
from ovf.namespaces import EPASD
from ovf.outline import items
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import summary

PORTS = (EPASD, f"{EPASD}.xsd")
"""As the schema has it, and as VirtualBox and COT write it."""
NOT_IN_A_URI = re.compile(r"[^!-~]|[\"<>\\^`{|}]")
Found = Iterator[tuple[Location, str]]


@rule("NET-001", clause="9.2")
def networks_are_listed(package: Package) -> Found:
    """A package whose adapters connect to networks has a NetworkSection that lists them.

    The importer asks for each Network where to connect it. Of a network that is missing in the
    list ITM-010 tells.

    Fix: add a NetworkSection with each network the Connections name.
    """
    envelope = package.envelope
    if envelope.sections("NetworkSection"):
        return
    used = dict.fromkeys(item.said.get("Connection", "") for item in items(envelope))
    names = ", ".join(repr(summary(name)) for name in list(used)[:5] if name)
    if names:
        yield envelope.at(envelope.root), f"no NetworkSection lists the networks in use ({names})"


@rule("NET-002", clause="9.2", basis=Basis.SCHEMA)
def networks_have_names(package: Package) -> Found:
    """Every Network has a name.

    Adapters refer to networks by name.

    Fix: add ovf:name.
    """
    for network in package.envelope.networks:
        if not network.name:
            yield network.at, "Network has no ovf:name"


@rule("NET-003", clause="9.2", basis=Basis.SCHEMA, versions=VERSION_2)
def port_profiles_are_of_ports(package: Package) -> Found:
    """A NetworkPortProfile holds Items of Ethernet ports, a NetworkPortProfileURI is a URI.

    Items of other kinds, and words that lead nowhere, say nothing of a port.

    Fix: describe the port by CIM_EthernetPortAllocationSettingData, or name a profile's URI.
    """
    envelope = package.envelope
    for profile in envelope.every("NetworkPortProfile"):
        for item in envelope.children(profile, "Item"):
            spaces = {etree.QName(child).namespace for child in item.iterchildren(etree.Element)}
            for other in sorted(space for space in spaces - {*PORTS} if space and "/CIM_" in space):
                kind = summary(other.rpartition("/")[2])
                yield envelope.at(item), f"Item of a port is described by {kind}"
    for uri in envelope.every("NetworkPortProfileURI"):
        text = (uri.text or "").strip()
        if not text or NOT_IN_A_URI.search(text):
            yield envelope.at(uri), f"NetworkPortProfileURI is no URI ({summary(text)!r})"


@rule("NET-004", clause="9.2", severity=Severity.WARNING, basis=Basis.OWN)
def networks_are_listed_once(package: Package) -> Found:
    """No two Networks have the same name.

    An importer asks twice for one network, and connects adapters to either.

    Fix: list each network once.
    """
    seen: set[str] = set()
    for network in package.envelope.networks:
        if network.name and network.name in seen:
            yield network.at, f"Network {summary(network.name)!r} is listed again"
        seen.add(network.name or "")
