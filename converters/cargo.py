"""What a machine brings along: its disks and media, under the names they will have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from converters.disks.formats.raw.reader import RawImage
from converters.disks.image import ZERO, Facts, Image, Run
from converters.disks.registry import DiskFormat, format_named
from converters.sources import Source
from rehost.errors import DamagedInputError, InteropError
from rehost.machine import Address, Bus, ControllerModel, Disk, Machine, MediaKind, Removable
from rehost.report import Loss, changed, dropped

ROUNDING = 1 << 20
ADAPTER_TYPE = "adapter_type"
MEDIUM_SUFFIXES = {MediaKind.CDROM: ".iso", MediaKind.FLOPPY: ".img"}


@dataclass(frozen=True, slots=True)
class Item:
    """A file to be made: called ``name``, ``size`` bytes to the guest, with an image's content."""

    name: str
    image: Image
    size: int
    into: DiskFormat
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """A machine whose drives name the files to come, those files, and what is lost already."""

    machine: Machine
    items: tuple[Item, ...]
    losses: tuple[Loss, ...]


class Blank:
    """A disk with nothing on it."""

    parent = None
    facts = Facts("blank", None, {})

    def __init__(self, size: int) -> None:
        self.size = size

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield zeros."""
        yield Run(start, stop - start, ZERO)


def load(source: Source, machine: Machine, name: str, into: DiskFormat, *, trust: bool) -> Load:
    """Open the files of a machine, and name those to be made after ``name``.

    ``trust`` goes by a disk's own size where the description disagrees with it.
    """
    items: list[Item] = []
    losses: list[Loss] = []
    disks = []
    for number, disk in enumerate(machine.disks):
        item = _disk_item(source, disk, f"{name}-disk{number + 1}{into.suffixes[0]}", into)
        where = source.where(disk.file)
        size, lost = _agreed_size(disk, item, f"disks[{number}].size", where, trust=trust)
        items.append(replace(item, size=size))
        losses += lost
        disks.append(replace(disk, file=item.name, format=into.name, size=size))
    removables = []
    for number, drive in enumerate(machine.removables):
        medium, lost = _medium(source, drive, f"{name}-{drive.kind}{number + 1}", number)
        items += medium
        losses += lost
        removables.append(replace(drive, file=medium[0].name if medium else None))
    loaded = replace(machine, disks=tuple(disks), removables=tuple(removables))
    return Load(loaded, tuple(items), tuple(losses))


def adapted(item: Item, machine: Machine) -> Item:
    """Fit a VMDK to the controller its disk hangs on in the planned machine.

    ESXi and VirtualBox compare what the descriptor says with the machine's configuration.
    """
    if ADAPTER_TYPE not in {option.name for option in item.into.options}:
        return item
    for disk in machine.disks:
        if disk.file == item.name and disk.address is not None:
            return replace(item, options={ADAPTER_TYPE: _adapter(disk.address, machine)})
    return item


def _adapter(address: Address, machine: Machine) -> str:
    """Return the adapter type VMware gives a disk: whatever is neither IDE nor BusLogic is LSI."""
    if address.bus is Bus.IDE:
        return "ide"
    models = {(each.bus, each.index): each.model for each in machine.controllers}
    if models.get((address.bus, address.controller)) is ControllerModel.BUSLOGIC:
        return "buslogic"
    return "lsilogic"


def _disk_item(source: Source, disk: Disk, name: str, into: DiskFormat) -> Item:
    if disk.file is not None:
        image = source.image(disk)
        return Item(name, image, image.size, into)
    if disk.size is None:
        raise DamagedInputError(
            "a disk has neither a file nor a size", where=str(source.path), hint="Give it one."
        )
    return Item(name, Blank(disk.size), disk.size, into)


def _agreed_size(
    disk: Disk, item: Item, path: str, where: str, *, trust: bool
) -> tuple[int, list[Loss]]:
    """Return the size the guest gets: the described one, which must be the disk's own.

    Descriptions rounded by less than a MiB are common; such a disk gets the larger size.
    """
    own, said = item.image.size, disk.size
    if said is None or said == own:
        return own, []
    if not trust and abs(said - own) >= ROUNDING:
        raise DamagedInputError(
            f"the disk has {own} bytes, its description says {said}",
            where=where,
            hint="Correct the capacity, or pass --trust-disk-size to go by the disk.",
        )
    if trust or own > said:
        return own, [changed(path, str(said), str(own), "the disk itself has this size")]
    return said, [changed(path, str(own), str(said), "the disk is grown to its description")]


def _medium(
    source: Source, drive: Removable, stem: str, number: int
) -> tuple[list[Item], list[Loss]]:
    """Open the medium in a drive. One that a configuration's host has and we do not is left out."""
    if drive.file is None:
        return [], []
    try:
        image = RawImage(source.file(drive.file))
    except InteropError as error:
        if source.package is not None:
            raise
        return [], [dropped(f"removables[{number}].file", drive.file, f"the medium {error.what}")]
    name = stem + MEDIUM_SUFFIXES[drive.kind]
    return [Item(name, image, image.size, format_named("raw"))], []
