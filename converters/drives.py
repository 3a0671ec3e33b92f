"""Where a machine's drives hang at the target: on which bus, on which controller, in which place.

A drive keeps its place when the target has that place and nobody else is there. All others get
the next free one on the nearest bus, and the guest's driver for it is named in the loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from converters.draft import Draft, Hardware, shown
from converters.drivers import CONTROLLER_DRIVERS, DISK_DRIVERS
from converters.guests import is_old
from rehost.machine import (
    Address,
    Bus,
    Controller,
    ControllerModel,
    Disk,
    MediaKind,
    Removable,
)

MOST_VIRTIO_DISKS = 16
MOST_CONTROLLERS = 64
ONE_CONTROLLER = frozenset({Bus.IDE, Bus.FLOPPY, Bus.VIRTIO, Bus.XEN})
UNITS: dict[Bus | ControllerModel, int] = {
    Bus.IDE: 4,
    Bus.SATA: 6,
    Bus.SCSI: 16,
    Bus.NVME: 16,
    Bus.VIRTIO: 1024,
    Bus.USB: 4,
    Bus.FLOPPY: 2,
    Bus.XEN: 256,
}
SCSI_INITIATOR = 7
"""The place of the adapter itself on a parallel SCSI bus, where no drive can be."""

BARE = frozenset({Bus.VIRTIO, Bus.XEN})
"""Buses whose drives are devices of their own, without a controller."""

CD_BUSES = frozenset({Bus.IDE, Bus.SATA, Bus.SCSI, Bus.USB, Bus.XEN})
DISK_BUSES = frozenset(Bus) - {Bus.FLOPPY}
EVERYWHERE = (Bus.SATA, Bus.IDE, Bus.SCSI, Bus.VIRTIO, Bus.XEN)
BEST_MODELS = (
    ControllerModel.VIRTIO_SCSI,
    ControllerModel.LSISAS1068,
    ControllerModel.LSILOGIC,
    ControllerModel.PVSCSI,
    ControllerModel.HYPERV_SCSI,
    ControllerModel.XHCI,
    ControllerModel.EHCI,
    ControllerModel.UHCI,
    ControllerModel.PIIX4,
    ControllerModel.PIIX3,
    ControllerModel.AHCI,
    ControllerModel.NVME,
)
BUS_OF: dict[ControllerModel, Bus] = {
    ControllerModel.PIIX3: Bus.IDE,
    ControllerModel.PIIX4: Bus.IDE,
    ControllerModel.ICH6: Bus.IDE,
    ControllerModel.AHCI: Bus.SATA,
    ControllerModel.NVME: Bus.NVME,
    ControllerModel.UHCI: Bus.USB,
    ControllerModel.EHCI: Bus.USB,
    ControllerModel.XHCI: Bus.USB,
}

Drive = Disk | Removable
Slot = tuple[Bus, int]
"""A controller: its bus and its index there."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A drive, where losses say it is, and the bus it shall hang on; none when it cannot."""

    item: str
    drive: Drive
    bus: Bus | None
    model: ControllerModel | None = None


def place_drives(draft: Draft) -> None:
    """Give every drive an address the target has, and every address its controller.

    A drive for which there is no place at all is reported and left out.
    """
    machine = draft.machine
    planned = [_placed(f"disks[{n}]", disk, draft) for n, disk in enumerate(machine.disks)]
    planned += [
        _placed(f"removables[{n}]", drive, draft) for n, drive in enumerate(machine.removables)
    ]
    places = _Places(draft, planned)
    for one in planned:
        places.keep(one)
    drives = [places.settle(one) for one in planned]
    draft.put(
        disks=tuple(drive for drive in drives if isinstance(drive, Disk)),
        removables=tuple(drive for drive in drives if isinstance(drive, Removable)),
        controllers=tuple(_controllers(draft, places)),
    )


def _placed(item: str, drive: Drive, draft: Draft) -> Placed:
    """Choose the bus of one drive."""
    buses = draft.abilities.buses
    if isinstance(drive, Removable) and drive.kind is MediaKind.FLOPPY:
        return Placed(item, drive, Bus.FLOPPY if Bus.FLOPPY in buses else None)
    if isinstance(drive, Disk) and draft.hardware is Hardware.VIRTIO:
        if Bus.VIRTIO in buses and len(draft.machine.disks) <= MOST_VIRTIO_DISKS:
            return Placed(item, drive, Bus.VIRTIO)
        if ControllerModel.VIRTIO_SCSI in draft.abilities.controllers:
            return Placed(item, drive, Bus.SCSI, ControllerModel.VIRTIO_SCSI)
    if drive.address and _stays(drive, drive.address, draft):
        return Placed(item, drive, drive.address.bus, _model_at(drive.address, draft))
    return Placed(item, drive, nearest_bus(draft, drive))


def _stays(drive: Drive, address: Address, draft: Draft) -> bool:
    """Say whether the bus a drive is on is one it may stay on."""
    bus = address.bus
    everywhere = draft.hardware is Hardware.KEEP or bus in {Bus.IDE, Bus.SATA}
    fitting = DISK_BUSES if isinstance(drive, Disk) else CD_BUSES
    if not everywhere or bus not in fitting or bus not in _buses(draft):
        return False
    model = said_model(draft, (bus, address.controller))
    return bus is not Bus.SCSI or model is None or has_chip(draft, bus, model)


def has_chip(draft: Draft, bus: Bus, model: ControllerModel) -> bool:
    """Say whether the target has this very chip, which the guest's driver knows, on a bus."""
    if model not in draft.abilities.controllers or BUS_OF.get(model, Bus.SCSI) is not bus:
        return False
    kin = draft.abilities.own_chips.get(model)
    return kin is None or draft.source.origin.format in kin


def said_model(draft: Draft, slot: Slot) -> ControllerModel | None:
    """Return the chip the source names for a controller."""
    return next(
        (one.model for one in draft.source.controllers if (one.bus, one.index) == slot), None
    )


def _model_at(address: Address, draft: Draft) -> ControllerModel | None:
    """Return the chip of a controller at the target, choosing one where that is open."""
    said = said_model(draft, (address.bus, address.controller))
    if said is not None and has_chip(draft, address.bus, said):
        return said
    return next(iter(_chips(draft, address.bus)), None)


def _chips(draft: Draft, bus: Bus) -> list[ControllerModel]:
    """Return the chips the target has for a bus, the likeliest to be of use first."""
    return [model for model in BEST_MODELS if has_chip(draft, bus, model)]


def _buses(draft: Draft) -> frozenset[Bus]:
    """Return the buses of this machine; Q35 has no IDE."""
    if draft.machine.machine_type == "q35" and draft.carries("machine_type"):
        return draft.abilities.buses - {Bus.IDE}
    return draft.abilities.buses


def nearest_bus(draft: Draft, drive: Drive) -> Bus | None:
    """Return the bus that most guests can start from: IDE for old ones, AHCI for the others."""
    fitting = _buses(draft) & (DISK_BUSES if isinstance(drive, Disk) else CD_BUSES)
    old = is_old(draft.machine.guest_os) or draft.machine.machine_type == "pc"
    order = (Bus.IDE, *EVERYWHERE) if old else EVERYWHERE
    return next((bus for bus in order if bus in fitting), None)


class _Places:
    """Who sits where."""

    def __init__(self, draft: Draft, planned: list[Placed]) -> None:
        self.draft = draft
        self.models: dict[Slot, ControllerModel | None] = {}
        self.had_drives: set[Slot] = {
            (one.drive.address.bus, one.drive.address.controller)
            for one in planned
            if one.drive.address
        }
        self._taken: dict[Address, str] = {}
        self._free: dict[tuple[Bus, ControllerModel | None], Iterator[Address]] = {}

    def keep(self, one: Placed) -> None:
        """Let a drive stay where it is, if it can."""
        address = one.drive.address
        if address is None or address.bus is not one.bus or address in self._taken:
            return
        slot = (address.bus, address.controller)
        most = 1 if address.bus in ONE_CONTROLLER else MOST_CONTROLLERS
        model = self.models.get(slot, _model_at(address, self.draft))
        if one.model is not None and model is not one.model:
            return
        if address.controller < most and 0 <= address.unit < self._units(address.bus, model):
            self._sit(address, one.item, model)

    def settle(self, one: Placed) -> Drive | None:
        """Return a drive at its final address, reporting it when that is not its old one."""
        before = one.drive.address
        if before is not None and self._taken.get(before) == one.item:
            return one.drive
        after = self._next(one)
        if after is None:
            what = shown(before) if before else "a drive"
            self.draft.drop(one.item, what, f"{self.draft.target.title} has no place for it")
            return None
        self._report(one, before, after)
        return replace(one.drive, address=after)

    def _report(self, one: Placed, before: Address | None, after: Address) -> None:
        model = self.models.get((after.bus, after.controller))
        driver = CONTROLLER_DRIVERS.get(model) if model else None
        needs = driver or DISK_DRIVERS[after.bus]
        item = f"{one.item}.address"
        if before is None:
            self.draft.assume(item, after, f"the source does not say where it hangs; {needs}")
        elif before.bus is not after.bus or before.controller != after.controller:
            self.draft.change(item, before, after, needs)
        else:
            self.draft.change(item, before, after, "that place is taken or does not exist there")

    def _sit(self, address: Address, item: str, model: ControllerModel | None) -> None:
        self._taken[address] = item
        self.models[address.bus, address.controller] = model

    def _next(self, one: Placed) -> Address | None:
        """Return the next free place on the wanted bus, or on the nearest with one left."""
        if one.bus is None:
            return None
        if one.bus is Bus.FLOPPY:
            return self._take(one, Bus.FLOPPY, None)
        fitting = _buses(self.draft) & (DISK_BUSES if isinstance(one.drive, Disk) else CD_BUSES)
        for bus in (one.bus, *EVERYWHERE):
            if bus not in fitting:
                continue
            model = one.model if bus is one.bus else None
            found = self._take(one, bus, model or next(iter(_chips(self.draft, bus)), None))
            if found:
                return found
        return None

    def _take(self, one: Placed, bus: Bus, model: ControllerModel | None) -> Address | None:
        free = self._free.setdefault((bus, model), self._walk(bus, model))
        found = next(free, None)
        if found is not None:
            self._sit(found, one.item, model)
        return found

    def _walk(self, bus: Bus, model: ControllerModel | None) -> Iterator[Address]:
        """Yield the free places of a bus on controllers of one model, in order."""
        for index in range(1 if bus in ONE_CONTROLLER else MOST_CONTROLLERS):
            if self._held_by_another(bus, index, model):
                continue
            for unit in range(self._units(bus, model)):
                address = Address(bus, index, unit)
                if address not in self._taken and (bus, unit) != (Bus.SCSI, SCSI_INITIATOR):
                    yield address

    def _held_by_another(self, bus: Bus, index: int, model: ControllerModel | None) -> bool:
        if (bus, index) in self.models:
            return self.models[bus, index] is not model
        if (bus, index) in self.had_drives:
            return False
        said = said_model(self.draft, (bus, index))
        return said is not None and has_chip(self.draft, bus, said) and said is not model

    def _units(self, bus: Bus, model: ControllerModel | None) -> int:
        ours = self.draft.abilities.units
        if model is not None and model in ours:
            return ours[model]
        return ours.get(bus, UNITS[bus])


def _controllers(draft: Draft, places: _Places) -> Iterator[Controller]:
    """Yield the source's controllers that are still of use, then those that drives need now."""
    used = {slot: model for slot, model in places.models.items() if slot[0] not in BARE}
    done: set[Slot] = set()
    for number, one in enumerate(draft.source.controllers):
        slot = (one.bus, one.index)
        item = f"controllers[{number}]"
        if slot in done:
            draft.drop(item, _described(one), "it is named twice")
        elif slot in used:
            yield replace(one, model=_chip(draft, item, one.model, used[slot]))
        elif slot in places.had_drives:
            draft.drop(item, _described(one), "no drive hangs on it any more")
        elif _has_spare(draft, one):
            model = _model_at(Address(one.bus, one.index, 0), draft)
            yield replace(one, model=_chip(draft, item, one.model, model))
        else:
            draft.drop(item, _described(one), f"{draft.target.title} has no such controller")
        done.add(slot)
    for bus, index in sorted(set(used) - done):
        yield Controller(bus, index, used[bus, index])


def _has_spare(draft: Draft, one: Controller) -> bool:
    """Say whether the target can have a controller nothing hangs on."""
    if one.bus in BARE or one.bus not in _buses(draft) or one.index >= MOST_CONTROLLERS:
        return False
    if one.bus in ONE_CONTROLLER and one.index > 0:
        return False
    return one.bus is not Bus.SCSI or one.model is None or has_chip(draft, one.bus, one.model)


def _chip(
    draft: Draft, item: str, said: ControllerModel | None, model: ControllerModel | None
) -> ControllerModel | None:
    """Return a controller's chip at the target, reporting it when the source names another."""
    if model is None or model is said:
        return model
    needs = CONTROLLER_DRIVERS.get(model, "the guest's driver for the one serves the other")
    if said is not None:
        draft.change(f"{item}.model", said, model, needs)
    elif len(_chips(draft, BUS_OF.get(model, Bus.SCSI))) > 1:
        draft.assume(f"{item}.model", model, f"the source does not say; {needs}")
    return model


def _described(one: Controller) -> str:
    name = f"{one.bus} {one.index}"
    return f"{name} ({one.model})" if one.model else name
