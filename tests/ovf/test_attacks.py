"""Packages made to exhaust: whatever is in them, one line or a result, in bounded time and memory.

Each is opened, judged and read in a process of the usual kind, which may use ten seconds of the
processor and so much memory beyond what it had before.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.package import Package
from rehost.errors import InteropError
from tests.fuzz import bounds
from tests.fuzz.bounds import bounded
from tests.ovf.builders import NAMESPACES, SCSI, descriptor, item, pack, signed_off, with_disk
from tests.ovf.signing.signers import cert, pem_block

MIB = 1 << 20
MOST_MEMORY = 320 * MIB
HEAD = f"<Envelope {NAMESPACES}"
PROPERTY, END = '<Property ovf:key="k" ovf:type="string"/>', "</ProductSection>"
MANY = [f"a{n}=''" for n in range(900)]
DOCTYPE = "web.ovf:1: has a document type declaration"
NO_SYSTEM = "web.ovf: describes no virtual system"
TOO_LONG = "holds a name of more than 50000 characters or a text of more than 10 MB"
TOO_LARGE = "web.ovf: is too large (at most 16777216 bytes are read)"
DECLARED = '<?xml version="1.0" encoding="{}"?>'
LAUGHS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))


def enveloped(content: str, *, more: str = "") -> bytes:
    return f"{HEAD} {more}>{content}</Envelope>".encode()


def long(what: str) -> bytes:
    """Return a descriptor in which something is 15 MiB long, instead of a word."""
    assert what in with_disk()
    return with_disk().replace(what, what[:-1] + "a" * 15 * MIB + what[-1], 1).encode()


DOCUMENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "an external entity": (
        lambda: b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + enveloped("&e;"),
        DOCTYPE,
    ),
    "a billion laughs": (
        lambda: f'<!DOCTYPE x [<!ENTITY e0 "ha">{LAUGHS}]>'.encode() + enveloped("&e29;"),
        DOCTYPE,
    ),
    "a long entity many times": (
        lambda: f'<!DOCTYPE x [<!ENTITY e "{"a" * MIB}">]>'.encode() + enveloped("&e;" * MIB),
        DOCTYPE,
    ),
    "a parameter entity": (
        lambda: b'<!DOCTYPE x [<!ENTITY % e SYSTEM "http://192.0.2.1/x"> %e;]>' + enveloped(""),
        DOCTYPE,
    ),
    "a default for an attribute": (
        lambda: b'<!DOCTYPE x [<!ATTLIST Envelope x CDATA "a">]>' + enveloped(""),
        DOCTYPE,
    ),
    "entities in UTF-16": (
        lambda: f'<!DOCTYPE x [<!ENTITY e0 "ha">{LAUGHS}]><x>&e29;</x>'.encode("utf-16"),
        DOCTYPE,
    ),
    "an inclusion": (
        lambda: enveloped(
            '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'
        ),
        NO_SYSTEM,
    ),
    "deep nesting": (
        lambda: enveloped("<a>" * MIB),
        "web.ovf:1: is nested too deeply (at most 100 elements are read)",
    ),
    "many elements": (
        lambda: enveloped("<a/>" * MIB),
        "web.ovf:1: has too many elements (at most 500000 are read)",
    ),
    "no few elements": (lambda: enveloped("<a/>" * 100_000), NO_SYSTEM),
    "many attributes": (
        lambda: enveloped("", more=" ".join(f'a{n}=""' for n in range(600_000))),
        "web.ovf:1: has too many elements (at most 500000 are read)",
    ),
    "too many attributes of one element": (
        lambda: enveloped("", more=" ".join(f'a{n}=""' for n in range(400_000))),
        "web.ovf:1: has too many attributes in an element (at most 1000 are read)",
    ),
    "many attributes of many elements": (
        lambda: enveloped(f"<a {' '.join(MANY)}/>" * 100),
        NO_SYSTEM,
    ),
    "many namespaces": (
        lambda: enveloped("".join(f'<n{n}:a xmlns:n{n}="u:{n}"/>' for n in range(50_000))),
        NO_SYSTEM,
    ),
    "an attribute of 100 MB": (lambda: enveloped("", more=f'x="{"a" * 100 * MIB}"'), TOO_LARGE),
    "an attribute of 15 MB": (lambda: long('ovf:id="web"'), f"web.ovf:6: {TOO_LONG}"),
    "a name of 15 MB": (lambda: enveloped(f"<{'a' * 15 * MIB}/>"), f"web.ovf:1: {TOO_LONG}"),
    "a text of 15 MB": (lambda: enveloped("a" * 15 * MIB), f"web.ovf:1: {TOO_LONG}"),
    "a comment of 15 MB": (
        lambda: enveloped(f"<!--{'a' * 15 * MIB}-->"),
        f"web.ovf:1: {TOO_LONG}",
    ),
    "an instruction of 15 MB": (
        lambda: enveloped(f"<?a {'a' * 15 * MIB}?>"),
        f"web.ovf:1: {TOO_LONG}",
    ),
    "a section of 15 MB": (
        lambda: enveloped(f"<![CDATA[{'a' * 15 * MIB}]]>"),
        f"web.ovf:1: {TOO_LONG}",
    ),
    "a number of 9 MB": (
        lambda: descriptor(SCSI, item(InstanceID=1, ResourceType="1" * 9 * MIB)).encode(),
        f"web.ovf:13: ResourceType is not a whole number ('{'1' * 119}…')",
    ),
    "units of 9 MB": (
        lambda: descriptor(
            item(InstanceID=1, ResourceType=4, AllocationUnits="byte*" * 9 * (MIB // 5))
        ).encode(),
        "",
    ),
    "many properties": (
        lambda: descriptor(sections="<ProductSection><Info/>" + PROPERTY * 40_000 + END).encode(),
        "",
    ),
    "100 MB of nothing": (lambda: b" " * 100 * MIB, TOO_LARGE),
    "null bytes": (
        lambda: enveloped("\0" * MIB),
        "web.ovf:1: holds a null character",
    ),
    "UTF-32": (
        lambda: ("\ufeff" + with_disk()).encode("utf-32-le"),
        "web.ovf:1: holds a null character",
    ),
    "UTF-16 without a mark": (lambda: with_disk().encode("utf-16-le"), ""),
    "half of a character": (
        lambda: enveloped("\u20ac")[: -len("</Envelope>") - 1],
        "web.ovf:1: is not utf-8 (b'\\xe2')",
    ),
    "an overlong slash": (
        lambda: enveloped("").replace(b"></", b">\xc0\xaf</"),
        "web.ovf:1: is not utf-8 (b'\\xc0')",
    ),
    "a surrogate": (
        lambda: enveloped("").replace(b"></", b">\xed\xa0\x80</"),
        "web.ovf:1: is not utf-8 (b'\\xed')",
    ),
    "a control character": (
        lambda: enveloped("\1"),
        "web.ovf:1: is not well-formed XML (not well-formed (invalid token))",
    ),
    "UTF-7": (
        lambda: DECLARED.format("utf-7").encode() + enveloped("+AAo-"),
        "web.ovf:1: is in an encoding that is not read (utf-7)",
    ),
    "EBCDIC": (
        lambda: DECLARED.format("cp037").encode() + enveloped(""),
        "web.ovf:1: is in an encoding that is not read (cp037)",
    ),
    "a codec of Python": (
        lambda: DECLARED.format("unicode_escape").encode() + enveloped(""),
        "web.ovf:1: is in an encoding that is not read (unicode_escape)",
    ),
    "an encoding that does not exist": (
        lambda: DECLARED.format("x-none").encode() + enveloped(""),
        "web.ovf:1: is in an encoding that is not read (x-none)",
    ),
    "UTF-16 in name only": (
        lambda: DECLARED.format("utf-16").encode() + enveloped(""),
        "web.ovf:1: says it is UTF-16 but is not",
    ),
}


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MEMORY", MOST_MEMORY)


def said_of(path: Path, folder: Path) -> list[str]:
    """Open, judge and read a package within bounds; return the errors of it, each once."""
    told: dict[str, None] = {}
    for work in (read_machines, validate):
        with bounded():
            try:
                work(Package.open(path))
            except InteropError as error:
                told[str(error).replace(f"{folder}/", "")] = None
    return list(told)


@pytest.mark.parametrize("attack", DOCUMENTS)
def test_a_descriptor_is_one_line_or_a_result(tmp_path: Path, attack: str) -> None:
    make, expected = DOCUMENTS[attack]
    path = tmp_path / "web.ovf"
    path.write_bytes(make())
    assert said_of(path, tmp_path) == [expected][: bool(expected)]
    assert "\n" not in expected


ENVIRONMENTS = (
    *("an external entity", "a billion laughs", "entities in UTF-16", "a parameter entity"),
    *("deep nesting", "many elements", "too many attributes of one element"),
    *("an attribute of 100 MB", "an attribute of 15 MB", "a text of 15 MB"),
    *("null bytes", "UTF-32", "UTF-16 in name only", "UTF-7", "EBCDIC"),
    *("half of a character", "an overlong slash", "a surrogate", "a control character"),
)


def judged(path: Path, folder: Path) -> list[str]:
    """Judge a source within bounds; return its findings, or the error."""
    with bounded():
        try:
            lines = [
                f"{each.rule} {each.location}: {each.message}"
                for each in validate(Package.open(path))
            ]
        except InteropError as error:
            lines = [str(error)]
    return [line.replace(f"{folder}/", "") for line in lines]


@pytest.mark.parametrize("attack", ENVIRONMENTS)
def test_an_environment_document_is_one_line(tmp_path: Path, attack: str) -> None:
    make, expected = DOCUMENTS[attack]
    path = tmp_path / "ovf-env.xml"
    path.write_bytes(make().replace(b"Envelope", b"Environment"))
    assert judged(path, tmp_path) == [expected.replace("web.ovf", "ovf-env.xml")]


def test_an_environment_of_many_properties_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "ovf-env.xml"
    properties = "".join(f'<Property oe:key="k{number}" oe:value="v"/>' for number in range(40_000))
    path.write_text(
        '<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1"'
        ' xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="vm">'
        f"<PropertySection>{properties}</PropertySection></Environment>"
    )
    assert judged(path, tmp_path) == []


SIGNED = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": b"disk"})
CERTIFIED = cert(SIGNED["web.mf"])
MARKS = b"-----BEGIN CMS-----\n%b\n-----END CMS-----\n"
CMS_AT = CERTIFIED.count(b"\n") + 1
CUT = "a" * 112 + "…"
BESIDE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a manifest of one line of 100 MB": (
        "web.mf",
        lambda: b"SHA256(" + b"a" * 100 * MIB,
        "web.mf: is too large (at most 4194304 bytes are read)",
    ),
    "a manifest of one line of 3 MB": (
        "web.mf",
        lambda: b"SHA256(" + b"a" * 3 * MIB + b")= 00",
        f"MAN-001 web.mf:1: manifest line cannot be read ('SHA256({CUT}')",
    ),
    "a manifest of brackets": (
        "web.mf",
        lambda: b"SHA256(" + b") =(" * 1200,
        f"MAN-001 web.mf:1: manifest line cannot be read ('SHA256({') =(' * 28}…')",
    ),
    "a manifest of many names": (
        "web.mf",
        lambda: b"".join(b"SHA1(%d)= %040d\n" % (n, n) for n in range(20_001)),
        "MAN-001 web.mf:20001: has more than 20000 lines",
    ),
    "a certificate of one line of 100 MB": (
        "web.cert",
        lambda: b"SHA256(" + b"a" * 100 * MIB,
        "CRT-001 web.cert: is too large (at most 1048576 bytes are read)",
    ),
    "a signature of 900 kB": (
        "web.cert",
        lambda: b"SHA1(web.mf)= " + b"0" * 900_000,
        f"CRT-001 web.cert:1: first line is not a signature ('SHA1(web.mf)= {'0' * 105}…')",
    ),
    "a certificate of brackets": (
        "web.cert",
        lambda: b"SHA256(" + b") =(" * 4900,
        f"CRT-001 web.cert:1: first line is not a signature ('SHA256({') =(' * 28}…')",
    ),
    "a block of 900 kB": (
        "web.cert",
        lambda: CERTIFIED + MARKS % (b"MIAA" * 230_000),
        f"CRT-003 web.cert:{CMS_AT}: CMS signature cannot be read",
    ),
    "a block that is nested deeply": (
        "web.cert",
        lambda: CERTIFIED + MARKS % base64.b64encode(nested(100_000)),
        f"CRT-003 web.cert:{CMS_AT}: CMS signature cannot be read",
    ),
    "a certificate that is nested deeply": (
        "web.cert",
        lambda: b"SHA1(web.mf)= 00\n" + pem_block("CERTIFICATE", nested(100_000)),
        "CRT-002 web.cert:2: certificate cannot be read",
    ),
}


def nested(depth: int) -> bytes:
    """Return so many sequences in DER, each in the one before."""
    parts: list[bytes] = []
    size = 0
    for _ in range(depth):
        parts.append(b"\x30\x84" + size.to_bytes(4, "big"))
        size += 6
    return b"".join(reversed(parts))


@pytest.mark.parametrize("attack", BESIDE)
def test_what_lies_beside_a_descriptor_is_one_line(tmp_path: Path, attack: str) -> None:
    name, make, expected = BESIDE[attack]
    for each, content in {**SIGNED, name: make()}.items():
        (tmp_path / each).write_bytes(content)
    told = judged(tmp_path, tmp_path)
    assert expected in told
    assert all("\n" not in line for line in told)


def test_an_archive_of_zeros_in_gzip_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.ova"
    plain = tmp_path / "plain.ova"
    pack(plain, {"web.ovf": b" " * 100 * MIB})
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))
    assert said_of(path, tmp_path) == [
        "x.ova!web.ovf: is too large (at most 16777216 bytes are read)"
    ]
