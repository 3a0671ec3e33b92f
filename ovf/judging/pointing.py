"""Where exactly in its line a finding lies: what its message speaks of, found in the text.

A rule says in which element something is wrong, and in its message what. From both follows the
place: the value the message quotes, else the attribute or child element it names, else the name of
the element. Rules need not think of it; and where nothing fits, the line alone is told.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from html import escape
from itertools import accumulate, islice

from ovf.package import Package
from ovf.parse import decoded, encoding_of
from ovf.text.spans import Span, spans
from rehost.errors import InteropError
from rehost.files import read_all
from rehost.judgement import Region
from rehost.report import Finding

LONGEST_LINE = 4000
MOST_ON_A_LINE = 60
LARGEST_BESIDE = 1 << 20
LONGEST_CONTENT = 20_000
QUOTED = re.compile(r"""(?<!\w)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\")""")
WORD = re.compile(r"(?<![\w'\"./-])(?:[A-Za-z]\w*:)?([A-Za-z]\w{2,})")
TAG_NAME = re.compile(rb"<(?:[^\s:/>]+:)?([^\s:/>]+)")
LEADING = re.compile(r"(?:[A-Za-z]\w*:)?([A-Za-z]\w+)(?![\w:])")
NAMED = re.compile(r"\w+ ['\"]")
CUT = "…"
NEAR = 50
MOST_TRIED = 500
"""Of how many places where a value stands the surroundings are looked at."""
OPENING = {b'"', b"'", b">", b"("}
CLOSING = {b'"', b"'", b"<", b")"}


class Text:
    """A text file as it is stored: its lines, and where they begin in its bytes."""

    def __init__(self, plain: bytes, mark: int, codec: str) -> None:
        """Take the text as UTF-8, and how it is stored: the length of its mark, and its codec."""
        self.plain = plain
        self._mark = mark
        self._codec = codec
        self._starts = [0, *(found.end() for found in re.finditer(b"\n", plain))]

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return len(self._starts)

    def line_at(self, offset: int) -> int:
        """Return the line of a byte of the text as UTF-8, counted from 1."""
        return bisect_right(self._starts, offset)

    def stretch(self, line: int) -> tuple[int, int]:
        """Return where a line begins and ends, its own end not in it."""
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.plain)
        return start, end - self.plain.endswith(b"\r", start, end)

    def region(self, start: int, end: int) -> Region | None:
        """Return a stretch of the text as UTF-8; one of several lines ends with its first."""
        line = self.line_at(start)
        first, last = self.stretch(line)
        if last - first > LONGEST_LINE:
            return None
        before = self.plain[first:start].decode()
        meant = self.plain[start : min(end, last)].decode()
        return Region(
            line,
            len(before) + 1,
            len(meant),
            self.plain[first:last].decode(),
            self._mark + self._stored[line - 1] + self._size(before),
            self._size(meant),
        )

    @cached_property
    def _stored(self) -> list[int]:
        """Where each line begins as it is stored, the mark left out."""
        if self._codec == "utf-8":
            return self._starts
        lines = self.plain.decode().split("\n")
        return list(accumulate((self._size(f"{line}\n") for line in lines), initial=0))

    def _size(self, text: str) -> int:
        return len(text.encode(self._codec))


class Pointer:
    """Finds the regions of findings in the descriptor, manifest and certificate of a package."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._texts: dict[str, Text | None] = {}

    def region(self, finding: Finding) -> Region | None:
        """Return where a finding lies, or nothing where only its line or file is known."""
        file, line = finding.location.file, finding.location.line
        if line is None:
            return None
        descriptor = file == self._package.written.label
        text = self._descriptor if descriptor else self._beside(file)
        if text is None or line > text.lines:
            return None
        if descriptor:
            found = _in_elements(text.plain, self._elements.get(line, []), finding.message)
        else:
            found = _in_line(text.plain, *text.stretch(line), finding.message)
        start, end = found or _trimmed(text.plain, *text.stretch(line))
        return text.region(start, end)

    @cached_property
    def _descriptor(self) -> Text:
        content, name = self._package.descriptor.content, self._package.descriptor.name
        encoding = encoding_of(content, name)
        return Text(decoded(content, name).encode(), len(encoding.mark), encoding.codec)

    @cached_property
    def _elements(self) -> dict[int, list[Span]]:
        """The elements by the line their start tag ends on, which is what lxml calls theirs."""
        found: dict[int, list[Span]] = defaultdict(list)
        for span in spans(self._descriptor.plain):
            found[self._descriptor.line_at(span.opened - 1)].append(span)
        return found

    def _beside(self, file: str) -> Text | None:
        """Return the manifest or certificate of that name, if it is text."""
        if file not in self._texts:
            self._texts[file] = None
            for name in (*self._package.manifest_names, self._package.certificate_name):
                if name is not None and self._package.where(name) == file:
                    self._texts[file] = self._read(name)
        return self._texts[file]

    def _read(self, name: str) -> Text | None:
        try:
            content = read_all(self._package.member(name), LARGEST_BESIDE)
            content.decode()
        except (InteropError, UnicodeDecodeError):
            return None
        return Text(content, 0, "utf-8")


Stretch = tuple[int, int]


def _in_line(text: bytes, start: int, end: int, message: str) -> Stretch | None:
    label, values = _values(message)
    places = (_quoted(text, start, end, value) for value in values + label)
    return next(filter(None, places), None)


def _in_elements(text: bytes, elements: list[Span], message: str) -> Stretch | None:
    """Return what a message speaks of in elements whose start tags end on the same line."""
    if not elements or len(elements) > MOST_ON_A_LINE:
        return None
    meant = _meant(text, elements, message)
    return (
        _said_in(text, meant, message)
        or (_name(text, meant, "") if any(span.children for span in meant) else None)
        or _said_in(text, elements, message)
        or _name(text, elements, QUOTED.sub("", message))
    )


def _meant(text: bytes, elements: list[Span], message: str) -> list[Span]:
    """Return the elements that a message begins with, those it calls by their name if there are."""
    kind = LEADING.match(message)
    found = [span for span in elements if kind and _local_name(text, span) == kind[1]]
    if len(found) < 2:
        return found
    label, _ = _values(message)
    small = [span for span in found if span.closing - span.start <= LONGEST_CONTENT]
    called = [
        span for span in small for name in label if _quoted(text, span.start, span.closing, name)
    ]
    return called or found


def _said_in(text: bytes, elements: list[Span], message: str) -> Stretch | None:
    """Return the value a message quotes, else the attribute or child it names, in elements."""
    tags = [
        (span.start, span.opened)
        for span in elements
        if span.opened - span.start <= LONGEST_CONTENT
    ]
    contents = [(span.opened, span.closing) for span in elements if _is_plain(span)]
    label, values = _values(message)
    words = WORD.findall(QUOTED.sub("", message))
    looks = (
        (_quoted, values, tags + contents),
        (_attribute, words, tags),
        (_child, words, contents),
        (_quoted, label, tags + contents),
    )
    for look, words, stretches in looks:
        for word in dict.fromkeys(words):
            for start, end in stretches:
                if found := look(text, start, end, word):
                    return found
    return None


def _is_plain(span: Span) -> bool:
    """Say whether an element holds values only, such as an item, and not half the document."""
    return span.closing - span.opened <= LONGEST_CONTENT and not any(
        child.children for child in span.children
    )


def _values(message: str) -> tuple[list[str], list[str]]:
    """Return the name a message calls the element by, if it begins so, and the other values.

    The last is the most telling one, for what was found stands in brackets at the end.
    """
    found = [value for each in QUOTED.finditer(message) if (value := _unquoted(each[0]))]
    named = 1 if NAMED.match(message) else 0
    return found[:named], found[named:][::-1]


def _unquoted(quoted: str) -> str:
    try:
        return str(ast.literal_eval(quoted)).strip()
    except (SyntaxError, ValueError):
        return ""


def _quoted(text: bytes, start: int, end: int, value: str) -> Stretch | None:
    """Return a value that a message quotes, where it stands between quotes, brackets or tags."""
    whole = value.removesuffix(CUT)
    escaped = escape(whole, quote=False)
    for said in dict.fromkeys((whole, escaped, escaped.replace('"', "&quot;"))):
        for first, last in islice(_occurrences(text, start, end, said), MOST_TRIED):
            before = text[max(start, first - NEAR) : first].rstrip()[-1:]
            after = text[last : min(end, last + NEAR)].lstrip()[:1]
            if before in OPENING and (after in CLOSING or whole != value):
                return first, last
    return None


def _occurrences(text: bytes, start: int, end: int, said: str) -> Iterator[Stretch]:
    """Yield where a value stands, whatever white space is between its words."""
    words = [word.encode(errors="replace") for word in said.split()]
    if not words:
        return
    if len(words) > 1:
        pattern = re.compile(rb"\s+".join(map(re.escape, words)))
        yield from (found.span() for found in pattern.finditer(text, start, end))
        return
    [word] = words
    at = text.find(word, start, end)
    while at >= 0:
        yield at, at + len(word)
        at = text.find(word, at + 1, end)


def _attribute(text: bytes, start: int, end: int, name: str) -> Stretch | None:
    """Return an attribute that a message names, its value with it."""
    pattern = rb"(?<=\s)(?:[^\s:=/>]+:)?%s\s*=\s*(?:\"[^\"]*\"|'[^']*')" % name.encode()
    found = re.compile(pattern).search(text, start, end)
    return found.span() if found else None


def _child(text: bytes, start: int, end: int, name: str) -> Stretch | None:
    """Return the value of a child element that a message names."""
    pattern = rb"<(?:[^\s:/>]+:)?%s(?:\s[^>]*)?>\s*+([^<]*+)" % name.encode()
    for found in re.compile(pattern).finditer(text, start, end):
        if value := found[1].rstrip():
            return found.start(1), found.start(1) + len(value)
    return None


def _name(text: bytes, elements: list[Span], message: str) -> Stretch:
    """Return the name of the element that a message names, else of the first."""
    words = set(WORD.findall(message))
    named = [span for span in elements if _local_name(text, span) in words]
    span = (named or elements)[0]
    found = TAG_NAME.match(text, span.start)
    return (span.start, found.end() if found else span.opened)


def _local_name(text: bytes, span: Span) -> str:
    found = TAG_NAME.match(text, span.start)
    return found[1].decode() if found else ""


def _trimmed(text: bytes, start: int, end: int) -> Stretch:
    """Return a line without the white space around it."""
    line = text[start:end]
    return start + len(line) - len(line.lstrip()), start + len(line.rstrip())
