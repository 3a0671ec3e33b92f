"""A package that is being edited: its descriptor's text, and the files that come and go.

Spec: DSP0243 clause 7 (envelope and content). A name of the standard stands for the one in the
descriptor's own namespace, 1.x or 2.x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from lxml import etree

from ovf.envelope import Envelope, Reference
from ovf.package import Package, name_of
from ovf.storage import Overlaid
from ovf.text.fragment import fit
from ovf.text.splice import Manuscript
from ovf.writing.parcel import Parcel, parcel
from ovf.writing.write import Contents, Member, held
from rehost.errors import DamagedInputError, UnsupportedInputError, UsageError
from rehost.tracked import local_name, summary

MOST_LISTED = 10
AROUND = ("References", "DiskSection", "NetworkSection", "DeploymentOptionSection")
"""What stands around the content of an envelope, in its order."""


class Draft:
    """A descriptor and what is done to it.

    ``added`` are the files that come into the package and ``removed`` the names of those that leave
    it; ``notes`` is what whoever asked for the changes has to be told. ``section`` says which of
    several hardware sections is meant: by its place from 1 on, its id or a family it is for. The
    elements of ``envelope`` are those of the text as it was before the changes that are not yet
    settled.
    """

    def __init__(
        self, content: bytes, *, file: str, label: str, package: Package | None = None
    ) -> None:
        self.file = file
        self._label = label
        self.package = package
        self.text = Manuscript(content, label)
        self.envelope = self._read()
        self._unchanged = True
        self.added: dict[str, Member] = {}
        self.removed: set[str] = set()
        self.notes: list[str] = []
        self.section: str | None = None

    @classmethod
    def of(cls, package: Package) -> Self:
        """Begin to edit a package, which itself is only read."""
        descriptor = package.descriptor
        label = package.where(descriptor.name.rpartition("/")[2])
        return cls(descriptor.content, file=descriptor.name, label=label, package=package)

    @property
    def content(self) -> bytes:
        """The descriptor with all changes made."""
        return self.text.content()

    def settle(self) -> None:
        """Make the changes so far, after which other elements stand for the descriptor's."""
        if self.text.changed:
            self.text = self.text.again()
            self.envelope = self._read()
            self._unchanged = False

    def result(self) -> Package:
        """Return the package that is edited as it will be, without manifest and certificate."""
        self.settle()
        if self.package is None:
            raise ValueError("only a package that was read has a result before it is written")
        beside = self.package.beside
        added = {beside(name): member.open for name, member in self.added.items()}
        gone = frozenset((*map(beside, self.removed), *self.package.signs()))
        found = self.package.described_by(self.content).reached(
            lambda storage: Overlaid(storage, added, gone)
        )
        found.probe, found.written = self.package.probe, self.envelope
        return found

    def parcel(
        self, *, name: str | None = None, algorithm: str | None = "SHA256", keep: bool | None = None
    ) -> Parcel:
        """Return the package as it is to be written; see ``ovf.writing.parcel``."""
        self.settle()
        if self.package is None:
            files = tuple(map(self._added, self.envelope.references))
            descriptor = held(name or self.file, self.content)
            return Parcel(Contents(descriptor, files, algorithm), ())
        return parcel(
            self.package,
            envelope=self.envelope,
            content=self.content,
            added=self.added,
            removed=frozenset(self.removed),
            name=name,
            algorithm=algorithm,
            keep=keep,
        )

    def name(self, local: str) -> str:
        """Return a name of the standard as trees spell it."""
        return f"{{{self.envelope.namespace}}}{local}"

    def new(self, local: str, text: str | None = None, **attributes: str | None) -> etree._Element:
        """Make an element of the standard with attributes of the standard; None is left out."""
        made = etree.Element(self.name(local))
        made.text = None if text is None else fit(text)
        for attribute, value in attributes.items():
            if value is not None:
                made.set(self.name(attribute), fit(value))
        return made

    def set(self, element: etree._Element, local: str, value: str | None) -> None:
        """Set or remove an attribute of the standard, as its writer spells it."""
        name = self.name(local)
        if element.get(name) is None and element.get(local) is not None:
            name = local
        if value is None:
            self.text.unset(element, name)
        elif element.get(name) != value:
            self.text.set(element, name, value)

    def write(self, element: etree._Element, text: str) -> None:
        """Set the text of an element, which then has no other in any language."""
        if self.envelope.attribute(element, "msgid") is not None:
            self.set(element, "msgid", None)
        if (element.text or "") != text:
            self.text.write(element, text)

    def child(self, parent: etree._Element, local: str, text: str, order: Sequence[str]) -> None:
        """Set the text of a child, which is made in its place where there is none."""
        found = self.envelope.first(parent, local)
        if found is None:
            self.put(parent, self.new(local, text), order)
        else:
            self.write(found, text)

    def put(self, parent: etree._Element, new: etree._Element, order: Sequence[str]) -> None:
        """Put a new child behind the last of those that ``order`` names up to it."""
        before = order[: order.index(local_name(str(new.tag))) + 1]
        names = {self.name(local) for local in before}
        known = [child for child in self.text.children(parent) if str(child.tag) in names]
        if known:
            self.text.after(known[-1], new)
        else:
            self.text.prepend(parent, new)

    def list_in(self, section: str, info: str, new: etree._Element) -> None:
        """Put a new entry last in a section of the envelope, which is made where there is none."""
        found = next(iter(self.envelope.sections(section)), None)
        if found is None:
            found = self.new(section)
            found.extend((self.new("Info", info), new))
            self.put(self.envelope.root, found, AROUND)
        else:
            self.put(found, new, ("Info", local_name(str(new.tag))))
        self.settle()

    def listed(self, section: str, local: str, attribute: str) -> dict[str, etree._Element]:
        """Return the entries of sections of the envelope by what names them, of several the first.

        One without a name is not among them.
        """
        found: dict[str, etree._Element] = {}
        for each in self.envelope.sections(section):
            for entry in self.envelope.children(each, local):
                if (name := self.envelope.attribute(entry, attribute)) is not None:
                    found.setdefault(name, entry)
        return found

    def entry(self, section: str, local: str, attribute: str, name: str) -> etree._Element:
        """Return the entry of that name, refusing one that is not there."""
        known = self.listed(section, local, attribute)
        if name not in known:
            listed = f"There are {', '.join(map(repr, known))}."
            raise UsageError(
                f"has no {local.lower()} {name!r}",
                where=self.envelope.label,
                hint=listed if known else f"Make it with `rehost ovf add {local.lower()}`.",
            )
        return known[name]

    def remove_entry(self, entry: etree._Element) -> None:
        """Remove an entry of a section, and the section where it holds no other like it."""
        section = entry.getparent()
        alike = () if section is None else section.iterchildren(str(entry.tag))
        alone = all(each is entry for each in alike)
        self.text.remove(section if alone and section is not None else entry)

    def contents(self) -> list[etree._Element]:
        """Return the virtual systems and the collections they are in, in document order."""
        names = (self.name("VirtualSystem"), self.name("VirtualSystemCollection"))
        return [each for each in self.envelope.root.iter(*names) if self._is_content(each)]

    def system(self, identifier: str | None) -> etree._Element:
        """Return the virtual system of that id; without one, the only virtual system."""
        return self._chosen(list(self.envelope.systems), identifier, "virtual system")

    def content_of(self, identifier: str | None) -> etree._Element:
        """Return the virtual system or collection of that id, or the only virtual system."""
        if identifier is None:
            return self.system(None)
        return self._chosen(self.contents(), identifier, "virtual system or collection")

    def identifier(self, element: etree._Element) -> str:
        """Return what a virtual system is called in messages."""
        return summary(self.envelope.attribute(element, "id") or "without an id")

    def where(self, element: etree._Element) -> str:
        """Return the file of an element, and the line as long as that is the one in the file."""
        return str(self.envelope.at(element)) if self._unchanged else self._label

    def _added(self, reference: Reference) -> Member:
        found = self.added.get(name_of(reference))
        if found is None:
            raise DamagedInputError(
                f"names a file that was not added ({name_of(reference)!r})", where=self._label
            )
        return found

    def _chosen(
        self, known: list[etree._Element], identifier: str | None, what: str
    ) -> etree._Element:
        if not known:
            raise DamagedInputError("describes no virtual system", where=self._label)
        named = [
            each
            for each in known
            if identifier is None or self.envelope.attribute(each, "id") == identifier
        ]
        if len(named) == 1:
            return named[0]
        listed = ", ".join(f"'{self.identifier(each)}'" for each in known[:MOST_LISTED])
        if identifier is None:
            raise UsageError(
                f"describes {len(known)} virtual systems ({listed})",
                where=self._label,
                hint="Choose one by its id: --system ID.",
            )
        count = f"{len(named)} {what.replace(' or ', 's or ')}s" if named else f"no {what}"
        raise UsageError(
            f"has {count} of the id '{summary(identifier)}'",
            where=self._label,
            hint=f"There are {listed}.",
        )

    def _is_content(self, element: etree._Element) -> bool:
        parent = element.getparent()
        return parent is None or self.name(local_name(str(parent.tag))) == str(parent.tag)

    def _read(self) -> Envelope:
        envelope = Envelope.of(self.text.root, file=self.file, label=self._label)
        if envelope.dialect is not None:
            raise UnsupportedInputError(
                f"is in a dialect that is read but not edited ({envelope.dialect})",
                where=self._label,
                hint="Restate it as OVF 1.x first: rehost ovf restate --to 1.",
            )
        return envelope.standard()
