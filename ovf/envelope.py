"""The descriptor of a package: its tree, whole, and typed views of what everybody asks it.

Spec: DSP0243 clauses 7 (envelope, references, content, extensibility), 9.1 (disks), 9.2 (networks)
and 10 (internationalization). The views keep the text as it is written, so that a rule can
judge it; the functions that turn it into numbers raise with file and line.

OVF 1.0, 1.1 and 2.x are read; dialects that ``ovf.dialects`` knows are turned into 1.x first.
Others are refused by name, but for who only judges: what they list is found in any namespace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from lxml import etree

from ovf import units
from ovf.dialect import standardised
from ovf.foreign import ENVIRONMENT, FOREIGN, VERSIONS, foreign
from ovf.parse import parse
from ovf.views import Views
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.report import Location
from rehost.tracked import line_of, local_name, summary

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
PROPERTY_MACRO = re.compile(r"\$\{([^{}]+)\}")
TRUE = frozenset(("true", "1"))
"""Both words XML Schema has for it."""
CONTENT = ("VirtualSystem", "VirtualSystemCollection")
"""What an envelope describes, and what a collection holds."""
UNCOMPRESSED = frozenset({"", "identity"})
LARGEST_NUMBER = 1 << 62


@dataclass(frozen=True, slots=True)
class Reference:
    """A ``File`` of the References: what the package calls it and how it is stored."""

    id: str | None
    href: str | None
    size: str | None
    compression: str
    chunk_size: str | None
    at: Location

    @property
    def compressed(self) -> bool:
        """Say whether its bytes have to be unpacked."""
        return self.compression not in UNCOMPRESSED


@dataclass(frozen=True, slots=True)
class VirtualDisk:
    """A ``Disk`` of the DiskSection: what the guest will see of a file, or an empty disk."""

    id: str | None
    file_ref: str | None
    parent_ref: str | None
    capacity: str | None
    units: str | None
    format: str | None
    populated_size: str | None
    at: Location


@dataclass(frozen=True, slots=True)
class Network:
    """A logical network that adapters connect to by its name."""

    name: str | None
    at: Location


class Envelope(Views):
    """A parsed descriptor. ``file`` is its name, ``label`` what messages call it.

    ``version`` is the standard's major version it is read as; ``dialect`` is what it was written
    in, where that was none of the standard's ("OVF 0.9"). ``foreign`` is what it is if that cannot
    be read at all.
    """

    def __init__(
        self, root: etree._Element, *, file: str, label: str, dialect: str | None = None
    ) -> None:
        super().__init__()
        self.root = root
        self.file = file
        self.label = label
        self.dialect = dialect
        self.namespace = etree.QName(root).namespace or ""
        self.foreign = foreign(root, label)
        known = self.foreign is None and self.is_envelope
        other = ENVIRONMENT if local_name(str(root.tag)) == "Environment" else FOREIGN
        self.version = VERSIONS[self.namespace] if known else other

    @classmethod
    def as_written(cls, content: bytes, *, file: str, label: str) -> Envelope:
        """Parse a descriptor whatever it is written in, for who only judges it."""
        return cls.of(parse(content, label), file=file, label=label)

    @classmethod
    def of(cls, root: etree._Element, *, file: str, label: str) -> Envelope:
        """Take a tree that was parsed already; one in a dialect is translated in place."""
        root, dialect = standardised(root)
        return cls(root, file=file, label=label, dialect=dialect)

    @classmethod
    def read(cls, content: bytes, *, file: str, label: str) -> Envelope:
        """Parse a descriptor, refusing what is neither OVF 1.x or 2.x nor a dialect of them."""
        return cls.as_written(content, file=file, label=label).standard()

    def standard(self) -> Self:
        """Return this if it is OVF 1.x or 2.x, and refuse it otherwise."""
        if not self.is_envelope:
            raise DamagedInputError(
                f"is no OVF descriptor (its root is {summary(str(self.root.tag))})",
                where=str(self.at(self.root)),
            )
        if self.foreign is not None:
            raise UnsupportedInputError(
                self.foreign.what, where=str(self.foreign.at), hint=self.foreign.hint
            )
        return self

    @property
    def is_envelope(self) -> bool:
        """Say whether the root is an Envelope, in whatever namespace."""
        return local_name(str(self.root.tag)) == "Envelope"

    def at(self, element: etree._Element) -> Location:
        """Return where an element begins."""
        return Location(self.label, line_of(element))

    def attribute(self, element: etree._Element, name: str) -> str | None:
        """Return an OVF attribute, also where its writer forgot the namespace."""
        if self.foreign:
            found = (key for key in element.attrib if local_name(str(key)) == name)
            return next((str(element.attrib[key]) for key in found), None)
        value = element.get(f"{{{self.namespace}}}{name}")
        value = element.get(name) if value is None else value
        return None if value is None else str(value)

    def flag(self, element: etree._Element, name: str) -> bool:
        """Say whether an OVF attribute is there and true, in either of its spellings."""
        return (self.attribute(element, name) or "").strip() in TRUE

    def children(self, element: etree._Element, *names: str) -> Iterator[etree._Element]:
        """Yield child elements in the OVF namespace with one of these names, or all elements."""
        for child in element.iterchildren(etree.Element):
            tag = etree.QName(child)
            ours = tag.namespace == self.namespace or self.foreign is not None
            if not names or (tag.localname in names and ours):
                yield child

    def every(self, *names: str) -> Iterator[etree._Element]:
        """Yield the elements in the OVF namespace with one of these names, wherever they stand."""
        yield from self.root.iter(*(f"{{{self.namespace}}}{name}" for name in names))

    def sections(self, name: str) -> list[etree._Element]:
        """Return the sections of that name directly below the envelope."""
        return list(self.children(self.root, name))

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """The files of the package, in order."""
        return tuple(
            Reference(
                id=self.attribute(file, "id"),
                href=self.attribute(file, "href"),
                size=self.attribute(file, "size"),
                compression=(self.attribute(file, "compression") or "").strip(),
                chunk_size=self.attribute(file, "chunkSize"),
                at=self.at(file),
            )
            for section in self.sections("References")
            for file in self.children(section, "File")
        )

    @cached_property
    def disks(self) -> tuple[VirtualDisk, ...]:
        """The virtual disks of the package, in order."""
        return tuple(
            VirtualDisk(
                id=self.attribute(disk, "diskId"),
                file_ref=self.attribute(disk, "fileRef"),
                parent_ref=self.attribute(disk, "parentRef"),
                capacity=self.attribute(disk, "capacity"),
                units=self.attribute(disk, "capacityAllocationUnits"),
                format=self.attribute(disk, "format"),
                populated_size=self.attribute(disk, "populatedSize"),
                at=self.at(disk),
            )
            for section in self.sections("DiskSection")
            for disk in self.children(section, "Disk")
        )

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """The logical networks of the package, in order."""
        return tuple(
            Network(self.attribute(network, "name"), self.at(network))
            for section in self.sections("NetworkSection")
            for network in self.children(section, "Network")
        )

    @cached_property
    def systems(self) -> tuple[etree._Element, ...]:
        """The virtual systems, those in collections too, in document order."""
        return tuple(self._systems(self.root))

    @cached_property
    def strings(self) -> dict[str, str]:
        """The messages of the bundles in the descriptor; its own language wins over others."""
        language = self.root.get(XML_LANG) or "en-US"
        bundles = self.sections("Strings")
        bundles.sort(key=lambda bundle: bundle.get(XML_LANG) == language)
        return {
            identifier: (message.text or "").strip()
            for bundle in bundles
            for message in self.children(bundle, "Msg")
            if (identifier := self.attribute(message, "msgid"))
        }

    def text(self, element: etree._Element | None) -> str | None:
        """Return an element's text, or the message it refers to; None when it is blank."""
        if element is None:
            return None
        message = self.strings.get(self.attribute(element, "msgid") or "")
        return message or (element.text or "").strip() or None

    def first(self, element: etree._Element, name: str) -> etree._Element | None:
        """Return the first child of that name in the OVF namespace."""
        return next(self.children(element, name), None)

    @cached_property
    def default_configuration(self) -> str | None:
        """The deployment option chosen when nobody chooses: the one marked, or the first."""
        options = [
            option
            for section in self.sections("DeploymentOptionSection")
            for option in self.children(section, "Configuration")
        ]
        marked = [option for option in options if self.flag(option, "default")]
        return next((self.attribute(option, "id") for option in marked + options), None)

    def reference(self, identifier: str) -> Reference | None:
        """Return the file of that id."""
        return self._references_by_id.get(identifier)

    def disk(self, identifier: str) -> VirtualDisk | None:
        """Return the virtual disk of that id."""
        return self._disks_by_id.get(identifier)

    def capacity(self, disk: VirtualDisk) -> int | None:
        """Return a disk's size in bytes, its property resolved; None where none is stated."""
        quantity = self.quantity(disk)
        if quantity is None or not disk.units:
            return quantity
        return quantity * units.multiplier(disk.units, where=str(disk.at))

    def legible_capacity(self, disk: VirtualDisk) -> int | None:
        """Return a disk's size in bytes; None also where what is stated cannot be read."""
        try:
            return self.capacity(disk)
        except DamagedInputError:
            return None

    def quantity(self, disk: VirtualDisk) -> int | None:
        """Return how many of its units a disk is large, its property resolved."""
        said = (disk.capacity or "").strip()
        if not said:
            return None
        if found := PROPERTY_MACRO.fullmatch(said):
            said = self._property(found[1], disk.at)
        return number(said, "ovf:capacity", disk.at)

    def properties(self) -> Iterator[tuple[str, etree._Element]]:
        """Yield every property of the package with its key as the environment spells it."""
        for section in self.every("ProductSection"):
            yield from self.properties_in(section)

    def properties_in(self, section: etree._Element) -> Iterator[tuple[str, etree._Element]]:
        """Yield those of one ProductSection."""
        before, after = self.attribute(section, "class"), self.attribute(section, "instance")
        for entry in self.children(section, "Property"):
            yield exposed_key(before, self.attribute(entry, "key"), after), entry

    def value(self, entry: etree._Element) -> str | None:
        """Return a property's default value in the default configuration."""
        for choice in self.children(entry, "Value"):
            if self.attribute(choice, "configuration") == self.default_configuration:
                return self.attribute(choice, "value")
        return self.attribute(entry, "value")

    def _property(self, key: str, at: Location) -> str:
        value = self._defaults.get(key)
        if value is None:
            raise DamagedInputError(f"no property gives ${{{summary(key)}}} a value", where=str(at))
        return value

    @cached_property
    def _defaults(self) -> dict[str, str]:
        found = {key: self.value(entry) for key, entry in self.properties()}
        return {key: value for key, value in found.items() if value is not None}

    @cached_property
    def _references_by_id(self) -> dict[str, Reference]:
        return {file.id: file for file in reversed(self.references) if file.id is not None}

    @cached_property
    def _disks_by_id(self) -> dict[str, VirtualDisk]:
        return {disk.id: disk for disk in reversed(self.disks) if disk.id is not None}

    def _systems(self, parent: etree._Element) -> Iterator[etree._Element]:
        for child in self.children(parent, *CONTENT):
            if local_name(str(child.tag)) == "VirtualSystem":
                yield child
            else:
                yield from self._systems(child)


def exposed_key(class_: str | None, key: str | None, instance: str | None) -> str:
    """Return what a property is called in the environment, by the production in clause 9.5."""
    return ".".join(part for part in (class_, key, instance) if part)


def number(text: str, what: str, at: Location) -> int:
    """Return the whole number of bytes ``text`` says, refusing anything else."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        raise DamagedInputError(f"{what} is not a whole number ({summary(text)!r})", where=str(at))
    if int(digits) >= LARGEST_NUMBER:
        raise DamagedInputError(f"{what} is impossible ({digits})", where=str(at))
    return int(digits)
