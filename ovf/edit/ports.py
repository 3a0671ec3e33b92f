"""Serial ports.

Spec: DSP0243 clause 8.3. What a port is connected to on the host is in its Address, which the
standard leaves to the device; Cisco's tools read it there.
"""

from __future__ import annotations

from collections.abc import Sequence

from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware
from rehost.errors import UsageError

MOST_PORTS = 32


def set_serial_ports(draft: Draft, system: str | None, count: int) -> None:
    """Have this many serial ports: more, or none of the last ones."""
    if not 0 <= count <= MOST_PORTS:
        raise UsageError(f"is an impossible number of serial ports ({count})")
    hardware = Hardware.of(draft, system)
    ports = hardware.distinct(ResourceType.SERIAL)
    surplus = {each.instance for each in ports[count:]}
    hardware.remove(
        [each for each in hardware.of_kind(ResourceType.SERIAL) if each.instance in surplus]
    )
    draft.settle()
    for number in range(len(ports), count):
        add_serial_port(draft, system, name=f"Serial port {number + 1}")


def add_serial_port(
    draft: Draft, system: str | None, *, name: str = "Serial port", connection: str | None = None
) -> str:
    """Add a serial port; return its InstanceID."""
    return Hardware.of(draft, system).add(
        ResourceType.SERIAL,
        {
            "Address": connection,
            "AutomaticAllocation": "true",
            "Description": "Serial port",
            "ElementName": name,
        },
    )


def set_serial_connections(draft: Draft, system: str | None, connections: Sequence[str]) -> None:
    """Say what the serial ports are connected to, one after the other."""
    hardware = Hardware.of(draft, system)
    ports = hardware.distinct(ResourceType.SERIAL)
    if len(connections) > len(ports):
        raise UsageError(
            f"there are {len(ports)} serial ports, but {len(connections)} connections for them",
            where=draft.where(hardware.section),
        )
    for port, connection in zip(ports, connections, strict=False):
        hardware.say(port, "Address", connection)
    draft.settle()
