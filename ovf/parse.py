"""Turning a descriptor's bytes into a tree, when the bytes may come from anyone.

Two parsers see every document. Expat goes first, builds nothing, and stops at the first document
type declaration, at too deep a nesting or at too many nodes; so entities, external or exploding,
are never expanded and memory stays bounded. Only then lxml builds the tree, without network,
entities or document types.

Spec: "Extensible Markup Language (XML) 1.0", fifth edition; DSP0243 clause 6 for what a
descriptor is written in.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from xml.parsers import expat

from lxml import etree

from rehost.errors import DamagedInputError, RefusedError, UnsupportedInputError
from rehost.tracked import summary

LARGEST = 16 << 20
DEEPEST = 100
MOST_NODES = 500_000
LONGEST_NAMESPACE = 2000
"""Each name in a namespace is handled with all of it, however short the prefix is."""
MOST_ATTRIBUTES = 1000
"""Of one element: libxml2 looks for each from the first one on, so all take time by the square."""
TOO_LONG = frozenset((45, 47, 63, 110, 114))
"""What libxml2 calls comments, instructions, sections, names and texts above its bounds, once it
is known that none of them merely lacks an end."""
DECLARATION = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
UNMARKED = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
"""How a declaration begins in UTF-16 without a mark (XML 1.0, appendix F)."""
ENCODINGS = frozenset(
    ("ascii", "big5", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "koi8-r", "shift_jis")
) | {"utf-8", *(f"iso8859-{n}" for n in range(1, 16)), *(f"cp{n}" for n in range(1250, 1259))}


def parse(content: bytes, where: str) -> etree._Element:
    """Return the root of a document; ``where`` is what messages call the file.

    An xml:id that is no name, or used twice, is no fault of XML; the schema judges it.
    """
    if len(content) > LARGEST:
        raise RefusedError(
            f"descriptor is too large ({len(content)} bytes, at most {LARGEST} are read)",
            where=where,
        )
    text = decoded(content, where).encode()
    _Survey(where).read(text)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        collect_ids=False,
    )
    try:
        return etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or 1
        if getattr(error, "code", None) in TOO_LONG:
            raise RefusedError(
                "holds a name of more than 50000 characters or a text of more than 10 MB",
                where=f"{where}:{line}",
            ) from None
        raise DamagedInputError(
            f"is not well-formed XML ({_one_line(error.msg)})", where=f"{where}:{line}"
        ) from None


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a document's characters are stored: the mark it begins with, and Python's codec."""

    mark: bytes
    codec: str


def encoding_of(content: bytes, where: str) -> Encoding:
    """Return the encoding that a document's mark or its declaration names."""
    if not content.strip():
        raise DamagedInputError("is empty", where=where)
    mark, encoding = next(
        ((mark, name) for mark, name in MARKS if content.startswith(mark)), (b"", "")
    )
    encoding = encoding or next((name for start, name in UNMARKED if content[:4] == start), "")
    declared = DECLARATION.match(content[:1000])
    named = _canonical(declared[1].decode(), where) if declared else "utf-8"
    if not encoding and named.startswith("utf-16"):
        raise DamagedInputError(
            "says it is UTF-16 but is not",
            where=f"{where}:1",
            hint="Correct the encoding in its first line.",
        )
    return Encoding(mark, encoding or named)


def decoded(content: bytes, where: str) -> str:
    """Return the characters of a document."""
    encoding = encoding_of(content, where)
    plain = content[len(encoding.mark) :]
    try:
        text = plain.decode(encoding.codec)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = plain[error.start : error.start + 1]
        raise DamagedInputError(
            f"is not {encoding.codec} ({found!r})", where=f"{where}:{line}"
        ) from None
    if text.startswith("\ufeff"):
        raise DamagedInputError("begins with two byte order marks", where=f"{where}:1")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DamagedInputError("holds a null character", where=f"{where}:{line}")
    return text


def _canonical(encoding: str, where: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        name = ""
    if name not in ENCODINGS and not name.startswith("utf-16"):
        raise UnsupportedInputError(
            f"is in an encoding that is not read ({encoding})",
            where=f"{where}:1",
            hint="Save it as UTF-8.",
        )
    return name


class _Survey:
    """The first look: the bounds of a document, without keeping any of it."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._depth = 0
        self._nodes = 0
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CommentHandler = self._count
        self._parser.ProcessingInstructionHandler = self._count
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, text: bytes) -> None:
        """Go through the document, raising at the first thing that is not allowed."""
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            raise DamagedInputError(
                f"is not well-formed XML ({expat.ErrorString(error.code)})",
                where=f"{self._where}:{error.lineno}",
            ) from None

    def _refuse(self, what: str, hint: str = "") -> RefusedError:
        where = f"{self._where}:{self._parser.CurrentLineNumber}"
        return RefusedError(what, where=where, hint=hint)

    def _start(self, _name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count(len(attributes))
        if len(attributes) > MOST_ATTRIBUTES:
            raise self._refuse(
                f"has too many attributes in an element (at most {MOST_ATTRIBUTES} are read)"
            )
        for name, value in attributes.items():
            if name.startswith("xmlns"):
                self._namespace(value)
        if self._depth > DEEPEST:
            raise self._refuse(f"is nested too deeply (at most {DEEPEST} elements are read)")

    def _namespace(self, uri: str) -> None:
        if len(uri) > LONGEST_NAMESPACE:
            raise self._refuse(
                f"has too long a namespace (at most {LONGEST_NAMESPACE} characters are read)"
            )
        if not {"{", "}"}.isdisjoint(uri):
            line = self._parser.CurrentLineNumber
            raise DamagedInputError(
                f"has a namespace that is no URI ({summary(uri)!r})", where=f"{self._where}:{line}"
            )

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _count(self, *found: object) -> None:
        self._nodes += 1 + (found[0] if isinstance(found[0], int) else 0)
        if self._nodes > MOST_NODES:
            raise self._refuse(f"has too many elements (at most {MOST_NODES} are read)")

    def _doctype(self, *_declaration: object) -> None:
        raise self._refuse(
            "has a document type declaration",
            hint="Descriptors need none, and its entities could read files; remove the line.",
        )


def _one_line(message: str) -> str:
    return re.sub(r",? line \d+, column \d+.*$", "", " ".join(message.split()))
