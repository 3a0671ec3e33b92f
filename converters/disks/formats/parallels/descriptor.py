"""DiskDescriptor.xml: which images make a disk of Parallels, and which snapshot lies on which.

Source: QEMU, "docs/interop/prl-xml.txt".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from converters.disks.formats.parallels import ROOT
from converters.disks.image import LARGEST_DISK, SECTOR
from converters.disks.markup import tree
from converters.disks.registry import MOST_LAYERS
from rehost.errors import DamagedInputError, UnsupportedInputError

LARGEST = 1 << 20
VERSION = "1.0"
TOP = "{5fbaabe3-6958-40ff-92a7-860e329aab41}"
NOTHING = "{00000000-0000-0000-0000-000000000000}"
PLAIN, COMPRESSED = "Plain", "Compressed"


@dataclass(frozen=True, slots=True)
class Layer:
    """One image of a storage: its file, of the kind "Plain" or "Compressed"."""

    guid: str
    kind: str
    file: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A stretch of the disk, in sectors, and the images of it by identifier."""

    start: int
    end: int
    block: int
    layers: dict[str, Layer]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What the document says; ``chain`` are the identifiers of the layers, the topmost first."""

    sectors: int
    storages: tuple[Storage, ...]
    chain: tuple[str, ...]
    snapshots: tuple[str, ...]
    name: str | None

    @classmethod
    def parse(cls, content: bytes, where: str) -> Descriptor:
        """Read and check a descriptor."""
        root = tree(content, where)
        if root.tag != ROOT.decode() or root.get("Version") != VERSION:
            raise UnsupportedInputError(
                f"is no Parallels descriptor of version {VERSION} "
                f"(found {root.tag[:40]!r}, version {root.get('Version', 'none')[:20]!r})",
                where=where,
            )
        asked = _Asked(where)
        parameters = asked.child(root, "Disk_Parameters")
        _check_parameters(parameters, asked)
        storages = tuple(map(asked.storage, asked.child(root, "StorageData").findall("Storage")))
        shots = _shots(root, asked)
        found = cls(
            sectors=asked.number(parameters, "Disk_size"),
            storages=tuple(sorted(storages, key=lambda each: each.start)),
            chain=_chain(root, shots, storages, where),
            snapshots=tuple(shots),
            name=(parameters.findtext("Name") or "").strip() or None,
        )
        found._check(where)
        return found

    def _check(self, where: str) -> None:
        if self.sectors * SECTOR > LARGEST_DISK:
            raise DamagedInputError(
                f"the Parallels disk's size is impossible ({self.sectors} sectors)", where=where
            )
        reached = 0
        for storage in self.storages:
            if storage.start != reached or storage.end <= reached:
                raise DamagedInputError(
                    f"a storage of the Parallels disk does not follow the one before it "
                    f"({storage.start} to {storage.end}, should begin at {reached})",
                    where=where,
                )
            reached = storage.end
            for guid in self.chain:
                if guid not in storage.layers:
                    raise DamagedInputError(
                        f"a storage of the Parallels disk has no image {guid}", where=where
                    )
        if reached != self.sectors:
            raise DamagedInputError(
                f"the storages of the Parallels disk do not make it up ({reached} sectors, "
                f"should be {self.sectors})",
                where=where,
            )


class _Asked:
    """Asks elements for what must be there."""

    def __init__(self, where: str) -> None:
        self.where = where

    def child(self, element: Element, name: str) -> Element:
        found = element.find(name)
        if found is None:
            raise DamagedInputError(
                f"the Parallels descriptor lacks {element.tag}/{name}", where=self.where
            )
        return found

    def text(self, element: Element, name: str) -> str:
        found = (self.child(element, name).text or "").strip()
        if not found:
            raise DamagedInputError(
                f"the Parallels descriptor says nothing in {element.tag}/{name}",
                where=self.where,
            )
        return found

    def number(self, element: Element, name: str) -> int:
        text = self.text(element, name)
        if not (text.isascii() and text.isdigit()) or len(text) > 20:
            raise DamagedInputError(
                f"the Parallels descriptor has no number in {element.tag}/{name} "
                f"(found {text[:40]!r})",
                where=self.where,
            )
        return int(text)

    def storage(self, element: Element) -> Storage:
        layers: dict[str, Layer] = {}
        for image in element.findall("Image"):
            layer = Layer(
                self.text(image, "GUID").lower(),
                self.text(image, "Type"),
                self.text(image, "File"),
            )
            if layer.guid in layers:
                raise DamagedInputError(
                    f"a storage of the Parallels disk has two images {layer.guid}",
                    where=self.where,
                )
            if layer.kind not in {PLAIN, COMPRESSED}:
                raise UnsupportedInputError(
                    f"the Parallels disk has an image of a kind that is not read "
                    f"({layer.kind[:40]!r})",
                    where=self.where,
                )
            layers[layer.guid] = layer
        start, end, block = (self.number(element, name) for name in ("Start", "End", "Blocksize"))
        return Storage(start, end, block, layers)


def _check_parameters(parameters: Element, asked: _Asked) -> None:
    padding = (parameters.findtext("Padding") or "0").strip()
    engine = (parameters.findtext("Encryption/Engine") or NOTHING).strip().lower()
    if engine != NOTHING:
        raise UnsupportedInputError(
            f"the Parallels disk is encrypted (engine {engine[:40]})",
            where=asked.where,
            hint="Decrypt it where it was made: prl_disk_tool.",
        )
    if padding != "0":
        raise UnsupportedInputError(
            f"the Parallels disk uses padding, which is not described ({padding[:40]})",
            where=asked.where,
        )


def _shots(root: Element, asked: _Asked) -> dict[str, str]:
    """Return the parent of each snapshot."""
    found: dict[str, str] = {}
    for shot in root.findall("Snapshots/Shot"):
        guid = asked.text(shot, "GUID").lower()
        if guid in found:
            raise DamagedInputError(
                f"the Parallels descriptor has two snapshots {guid}", where=asked.where
            )
        found[guid] = asked.text(shot, "ParentGUID").lower()
    return found


def _chain(
    root: Element, shots: dict[str, str], storages: Sequence[Storage], where: str
) -> tuple[str, ...]:
    """Follow the snapshots down from the topmost; a disk without any has one image a storage."""
    if not storages:
        raise DamagedInputError("the Parallels descriptor names no storage", where=where)
    said = (root.findtext("Snapshots/TopGUID") or "").strip().lower()
    if not shots and not said and len(storages[0].layers) == 1:
        return tuple(storages[0].layers)
    guid, found = said or TOP, [said or TOP]
    while (parent := shots.get(guid)) != NOTHING:
        if parent is None:
            raise DamagedInputError(
                f"the Parallels descriptor does not say what lies below {guid}", where=where
            )
        if parent in found:
            raise DamagedInputError(
                f"the chain of Parallels snapshots leads to {parent} again", where=where
            )
        if len(found) >= MOST_LAYERS:
            raise DamagedInputError(
                f"the chain of Parallels snapshots is longer than {MOST_LAYERS}", where=where
            )
        guid = parent
        found.append(guid)
    return tuple(found)
