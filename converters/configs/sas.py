"""World wide names, by which a SAS controller's driver tells its disks apart.

QEMU's mptsas1068 has none for a disk unless told, and Linux' mptsas driver then shows no disk.
"""

from __future__ import annotations

from rehost.machine import Address, Bus, ControllerModel, Machine

REGISTERED = "5525400"
"""NAA 5, an IEEE registered name, with QEMU's vendor number."""


def world_wide_name(machine: Machine, address: Address | None) -> str | None:
    """Return 16 hexadecimal digits for a disk on a SAS controller, and nothing for others."""
    if address is None or address.bus is not Bus.SCSI:
        return None
    for controller in machine.controllers:
        if (controller.bus, controller.index) == (Bus.SCSI, address.controller):
            if controller.model is not ControllerModel.LSISAS1068:
                return None
            return f"{REGISTERED}{address.controller:04x}{address.unit:05x}"
    return None
