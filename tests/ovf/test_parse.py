"""Descriptors from anyone: what is read, what is refused, and in which words."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovf.envelope import Envelope
from ovf.parse import DEEPEST, LARGEST, MOST_NODES, parse
from rehost.errors import InteropError
from tests.ovf.builders import descriptor

BOMB = (
    b'<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + b"".join(
        b'<!ENTITY lol%d "%s">' % (n, b"&lol%s;" % (str(n - 1).encode() if n > 1 else b"") * 10)
        for n in range(1, 10)
    )
    + b"]>\n<Envelope>&lol9;</Envelope>"
)
EXTERNAL = (
    b'<?xml version="1.0"?>\n'
    b'<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>\n<Envelope>&file;</Envelope>'
)
REMOTE = b'<!DOCTYPE Envelope SYSTEM "http://192.0.2.1/evil.dtd"><Envelope/>'
DOCTYPE = "Descriptors need none, and its entities could read files; remove the line."

REFUSED: dict[str, tuple[bytes, str, str, int]] = {
    "entity bomb": (BOMB, "x.ovf:2: has a document type declaration", DOCTYPE, 6),
    "external entity": (EXTERNAL, "x.ovf:2: has a document type declaration", DOCTYPE, 6),
    "remote DTD": (REMOTE, "x.ovf:1: has a document type declaration", DOCTYPE, 6),
    "deep": (
        b"<a>" * (DEEPEST + 1),
        "x.ovf:1: is nested too deeply (at most 100 elements are read)",
        "",
        6,
    ),
    "many elements": (
        b"<a>" + b"<b/>" * MOST_NODES,
        "x.ovf:1: has too many elements (at most 500000 are read)",
        "",
        6,
    ),
    "large": (
        b"<a>" + b" " * LARGEST,
        "x.ovf: descriptor is too large (16777219 bytes, at most 16777216 are read)",
        "",
        6,
    ),
    "empty": (b" \n", "x.ovf: is empty", "", 3),
    "cut": (b"<a>\n<b>\n", "x.ovf:3: is not well-formed XML (no element found)", "", 3),
    "crossed": (b"<a>\n<b></a>", "x.ovf:2: is not well-formed XML (mismatched tag)", "", 3),
    "unknown entity": (b"<a>&b;</a>", "x.ovf:1: is not well-formed XML (undefined entity)", "", 3),
    "unbound prefix": (
        b"<a>\n<b:c/></a>",
        "x.ovf:2: is not well-formed XML (Namespace prefix b on c is not defined)",
        "",
        3,
    ),
    "braces": (
        b'<a>\n<b xmlns="}x{"/></a>',
        "x.ovf:2: has a namespace that is no URI ('}x{')",
        "",
        3,
    ),
    "null": (b"<a>\n\n\0</a>", "x.ovf:3: holds a null character", "", 3),
    "not UTF-8": (b"<a>\n\xe9</a>", "x.ovf:2: is not utf-8 (b'\\xe9')", "", 3),
    "half UTF-16": (
        b"\xff\xfe<\0a\0/\0>",
        "x.ovf:1: is not utf-16-le (b'>')",
        "",
        3,
    ),
    "two marks": (
        b"\xef\xbb\xbf\xef\xbb\xbf<a/>",
        "x.ovf:1: begins with two byte order marks",
        "",
        3,
    ),
    "UTF-16 in name only": (
        b'<?xml version="1.0" encoding="utf-16"?><a/>',
        "x.ovf:1: says it is UTF-16 but is not",
        "Correct the encoding in its first line.",
        3,
    ),
    "no text encoding": (
        b'<?xml version="1.0" encoding="zlib"?><a/>',
        "x.ovf:1: is in an encoding that is not read (zlib)",
        "Save it as UTF-8.",
        4,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_hostile_or_broken_xml_is_one_line(case: str) -> None:
    content, message, hint, code = REFUSED[case]
    tracemalloc.start()
    started = time.monotonic()
    with pytest.raises(InteropError) as caught:
        parse(content, "x.ovf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    error = caught.value
    assert (str(error), error.hint, error.exit_code) == (message, hint, code)
    assert time.monotonic() - started < 10
    assert peak < 8 * LARGEST


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-8", '<?xml version="1.0" encoding="UTF-8"?>'),
        ("utf-16", '<?xml version="1.0" encoding="UTF-16"?>'),
        ("utf-16-le", '<?xml version="1.0" encoding="UTF-16LE"?>'),
        ("utf-16-be", '<?xml version="1.0" encoding="UTF-16BE"?>'),
        ("iso-8859-1", '<?xml version="1.0" encoding="ISO-8859-1"?>'),
        ("cp1252", "<?xml version='1.0' encoding='windows-1252'?>"),
        ("gb18030", '<?xml version="1.0" encoding="gb18030"?>'),
    ],
)
def test_text_is_read_in_its_own_encoding(encoding: str, declared: str) -> None:
    assert parse(f"{declared}<a>Büro</a>".encode(encoding), "x.ovf").text == "Büro"


def test_a_comment_may_speak_of_document_types() -> None:
    assert parse(b"<a><!-- <!DOCTYPE a> --></a>", "x.ovf").tag == "a"


DIALECTS = {
    '<Envelope xmlns="urn:x"/>': (
        "x.ovf:1: is in no known OVF namespace (urn:x)",
        "OVF 1.x is http://schemas.dmtf.org/ovf/envelope/1.",
        4,
    ),
    "<Envelope/>": (
        "x.ovf:1: is in no known OVF namespace (none)",
        "OVF 1.x is http://schemas.dmtf.org/ovf/envelope/1.",
        4,
    ),
    "<html/>": ("x.ovf:1: is no OVF descriptor (its root is html)", "", 3),
}


@pytest.mark.parametrize("text", DIALECTS)
def test_what_is_no_ovf_1_or_2_is_told_apart(text: str) -> None:
    with pytest.raises(InteropError) as caught:
        Envelope.read(text.encode(), file="x.ovf", label="x.ovf")
    error = caught.value
    assert (str(error), error.hint, error.exit_code) == DIALECTS[text]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_tree_or_an_error(content: bytes) -> None:
    try:
        parse(content, "x.ovf")
    except InteropError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=40), st.integers(0, 1200), st.integers(0, 60))
def test_a_mutated_descriptor_is_read_or_an_error(new: bytes, at: int, cut: int) -> None:
    content = descriptor().encode()
    content = content[:at] + new + content[at + cut :]
    try:
        Envelope.read(content, file="x.ovf", label="x.ovf")
    except InteropError as error:
        assert "\n" not in str(error)
