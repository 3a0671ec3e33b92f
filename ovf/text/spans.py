"""Where each element of a document lies in its text.

Spec: "Extensible Markup Language (XML) 1.0", fifth edition, productions 39 to 44 (elements and
tags). Places are byte offsets in the text as UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.parsers import expat

NAME = rb"[^\s=/>]+"
TAG = re.compile(rb"""<%s(?:\s+%s\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""" % (NAME, NAME))
EMPTY = b"/>"


@dataclass(slots=True)
class Span:
    """An element: its start tag, its content between ``opened`` and ``closing``, its end tag.

    ``children`` are the spans of its child elements. An empty-element tag has neither content nor
    end tag, and ``opened``, ``closing`` and ``end`` are all behind it.
    """

    start: int
    opened: int
    closing: int
    end: int
    children: list[Span]


def spans(text: bytes) -> list[Span]:
    """Return the elements of a well-formed document in the order of their start tags."""
    found: list[Span] = []
    open_spans: list[Span] = []
    parser = expat.ParserCreate("utf-8")

    def start(_name: str, _attributes: dict[str, str]) -> None:
        at = parser.CurrentByteIndex
        tag = TAG.match(text, at)
        end = tag.end() if tag else at
        span = Span(at, end, end, end, [])
        if open_spans:
            open_spans[-1].children.append(span)
        open_spans.append(span)
        found.append(span)

    def close(_name: str) -> None:
        span = open_spans.pop()
        if not text.startswith(EMPTY, span.opened - len(EMPTY)):
            span.closing = parser.CurrentByteIndex
            span.end = text.index(b">", span.closing) + 1

    parser.StartElementHandler = start
    parser.EndElementHandler = close
    parser.Parse(text, True)
    return found
