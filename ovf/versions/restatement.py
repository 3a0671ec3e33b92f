"""What is shared by those who restate a descriptor in another version of OVF.

Places in losses are the lines of the source, though elements are those of a text in which
declarations have changed already: both have the same elements in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from ovf.edit.draft import Draft
from ovf.text.fragment import free_prefix
from rehost.report import Loss, assumed, changed, dropped
from rehost.tracked import label, line_of

Lines = list[int | None]


@dataclass(slots=True)
class Restatement:
    """A draft on its way to another version, and what is lost by it.

    ``lines`` are those of the source, one for each element of the draft in document order.
    """

    draft: Draft
    lines: Lines
    losses: list[Loss] = field(default_factory=list)
    _places: dict[etree._Element, int | None] = field(default_factory=dict)

    def settle(self) -> None:
        """Make changes that neither add nor remove an element, and look at the new elements."""
        self.draft.settle()
        elements = self.draft.envelope.root.iter(etree.Element)
        self._places = dict(zip(elements, self.lines, strict=True))

    def bind(self, *namespaces: str) -> None:
        """Declare prefixes for namespaces at the root, where they have none there."""
        root = self.draft.envelope.root
        scope = dict(root.nsmap)
        for namespace in namespaces:
            if namespace not in (uri for prefix, uri in scope.items() if prefix):
                prefix = free_prefix(namespace, scope)
                scope[prefix] = namespace
                self.draft.text.set(root, f"xmlns:{prefix}", namespace)
        self.settle()

    def at(self, element: etree._Element) -> str:
        """Return where an element stands in the source: ``web.ovf:84``."""
        line, file = self._places[element], self.draft.envelope.file
        return file if line is None else f"{file}:{line}"

    def place(self, element: etree._Element) -> str:
        """Return how losses name an element: ``web.ovf:84 ScaleOutSection``."""
        return f"{self.at(element)} {label(element)}"

    def drop(self, what: str, source: str | None, why: str) -> None:
        """Report something the new version has no place for."""
        self.losses.append(dropped(what, source, why))

    def change(self, what: str, source: str | None, target: str, why: str) -> None:
        """Report something that means less, or another thing, than it did."""
        self.losses.append(changed(what, source, target, why))

    def assume(self, what: str, target: str, why: str) -> None:
        """Report something the source left open."""
        self.losses.append(assumed(what, target, why))


def lines_of(root: etree._Element) -> Lines:
    """Return the line of each element in document order."""
    return [line_of(element) for element in root.iter(etree.Element)]
