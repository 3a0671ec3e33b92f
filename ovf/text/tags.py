"""A start tag as it is written, and changes of its attributes that leave the others alone.

Spec: "Extensible Markup Language (XML) 1.0", fifth edition, productions 40 and 44.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ovf.text.fragment import XML, Scope, attribute_prefix, escaped_value, free_prefix

ATTRIBUTE = re.compile(r"""(?<!\s)(\s++)([^\s=/>]++)(\s*=\s*)("[^"]*"|'[^']*')""")
NAME = re.compile(r"<([^\s/>]+)")
DECLARATION = "xmlns"
EMPTY = "/>"


class StartTag:
    """A start tag or an empty-element tag; ``scope`` is the prefixes that hold in it."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self._scope = dict(scope)

    @property
    def name(self) -> str:
        """The element's name with its prefix."""
        return self.text[1 : self._after_name]

    def opened(self) -> str:
        """Return an empty-element tag as a start tag."""
        return self.text.removesuffix(EMPTY).rstrip() + ">"

    @property
    def declarations(self) -> dict[str, str]:
        """The namespaces it declares, by ``xmlns`` or ``xmlns:prefix``, as they are written."""
        return {
            found[2]: found[4][1:-1]
            for found in self._attributes()
            if found[2].partition(":")[0] == DECLARATION
        }

    def rename(self, name: str) -> None:
        """Give the element another name: a local one keeps its prefix, ``{namespace}local`` not."""
        prefix, colon, _ = self.name.rpartition(":")
        new = self._spelled(name) if name.startswith("{") else f"{prefix}{colon}{name}"
        self.text = f"<{new}{self.text[self._after_name :]}"

    def change(self, name: str, value: str | None) -> None:
        """Set an attribute, named ``{namespace}local`` or ``xmlns:prefix``; None removes it."""
        found = next((each for each in self._attributes() if self._meaning(each[2]) == name), None)
        if value is None:
            if found is not None:
                self._replace(found.start(), found.end(), "")
        elif found is not None:
            quote = found[4][0]
            self._replace(*found.span(4), quote + escaped_value(value, quote) + quote)
        else:
            self._add(self._spelled(name), value)

    def _add(self, name: str, value: str) -> None:
        """Put an attribute behind the last, with its quotes and the space that sets it off."""
        end, space, quote = self._after_name, " ", '"'
        for each in self._attributes():
            end, space, quote = each.end(), each[1], each[4][0]
        self._replace(end, end, f"{space}{name}={quote}{escaped_value(value, quote)}{quote}")

    @property
    def _after_name(self) -> int:
        found = NAME.match(self.text)
        return found.end() if found else len(self.text)

    def _attributes(self) -> Iterator[re.Match[str]]:
        yield from ATTRIBUTE.finditer(self.text, self._after_name)

    def _replace(self, start: int, end: int, new: str) -> None:
        self.text = self.text[:start] + new + self.text[end:]

    def _meaning(self, written: str) -> str:
        """Return an attribute's name with its namespace; declarations stay as they are written."""
        prefix, colon, local = written.partition(":")
        if not colon or prefix == DECLARATION:
            return written
        return f"{{{XML if prefix == 'xml' else self._scope[prefix]}}}{local}"

    def _spelled(self, name: str) -> str:
        """Return a name with a prefix, declaring one before it where its namespace has none."""
        namespace, brace, local = name.removeprefix("{").partition("}")
        if not brace:
            return name
        prefix = attribute_prefix(namespace, self._scope)
        if prefix is None:
            prefix = free_prefix(namespace, self._scope)
            self._scope[prefix] = namespace
            self._add(f"{DECLARATION}:{prefix}", namespace)
        return f"{prefix}:{local}"
