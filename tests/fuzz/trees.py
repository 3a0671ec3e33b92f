"""Changes to an XML document as its reader sees it: elements and attributes rather than bytes.

Elements are moved, doubled, taken out, renamed and swapped, attributes given the values of others,
so that what comes out is well-formed and means something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from io import BytesIO
from random import Random

from lxml import etree

from tests.fuzz.mutation import mutated

LARGEST = 64 << 10
MANY = 40
AS_BYTES = 0.1
WORDS = (
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "00",
        "+1",
        "1.5",
        "1e9",
        "NaN",
        "true",
        "false",
        "\u0661",
        "\u00b2",
    ),
    *("2147483648", "4294967296", "18446744073709551616", "9" * 30, "9" * 5000, "0x10", "1_000"),
    *(
        "byte",
        "byte * 2^20",
        "byte * 2^99999",
        "2^-1",
        "MegaBytes",
        "hertz * 10^6",
        "byte * 10^400",
    ),
    *("ovf:/disk/1", "ovf:/file/1", "/disk/1", "ovf:/disk/", "../x", "/etc/passwd", "file:///x"),
    *("http://x/y", "http://[x", "a%00b", "%ff", "a\\b", "C:\\x", ".", "..", "web.ovf", "web.mf"),
    *("3", "4", "5", "6", "10", "14", "15", "16", "17", "20", "24", "31", "32", "33", "65535"),
    *("lsilogic", "AHCI", "E1000", "vmx-13", "virtualbox-2.2", "virtio", "xen", "vmware.cdrom.iso"),
    *("${a}", "${a.b}", "a.b", "MinLen(1)", 'ValueMap{"a", "b"}', "MaxLen(99999999999)", "uint8"),
    *(
        "a b",
        "a\tb\nc",
        "\u202e",
        "\U0001f4bb",
        "<&>\"'",
        "]]>",
        "x" * 300,
        "en-US",
        "normal",
        "max",
    ),
    *("00:11:22:33:44:55", "efi", "rehost: ignore ITM-001 why", "2001-02-29T25:00:00Z", "gzip"),
)
SPACES = (
    "http://schemas.dmtf.org/ovf/envelope/1",
    "http://schemas.dmtf.org/ovf/envelope/2",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_StorageAllocationSettingData",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_EthernetPortAllocationSettingData",
    "http://schemas.dmtf.org/ovf/environment/1",
    "http://www.vmware.com/schema/ovf",
    "http://www.virtualbox.org/ovf/machine",
    "urn:other",
)
FLAGS = ("required", "bound", "configuration", "id", "msgid", "transport", "parentRef", "fileRef")
Elements = list[etree._Element]


def changed(content: bytes, others: Sequence[bytes], pick: Random) -> bytes:
    """Return a document with one to six changes; ``others`` are documents to take parts of.

    What is no document, and one in ten that is one, is changed as bytes are.
    """
    root = None if pick.random() < AS_BYTES else _tree(content)
    if root is None:
        return mutated(content, others, pick)
    for _ in range(pick.choice((1, 1, 2, 3, 4, 6))):
        pick.choice(CHANGES)(root, others, pick)
    return _written(root, pick)[:LARGEST]


def _tree(content: bytes) -> etree._Element | None:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return None if root is None or not isinstance(root.tag, str) else root


def _written(root: etree._Element, pick: Random) -> bytes:
    """Return a tree as text, mostly as UTF-8, sometimes set in another way."""
    kind = pick.randrange(20)
    encoding = {0: "UTF-16", 1: "ISO-8859-1"}.get(kind, "UTF-8")
    file = BytesIO()
    declared = encoding != "UTF-8" or pick.random() < 0.8
    root.getroottree().write(file, encoding=encoding, xml_declaration=declared)
    text = file.getvalue()
    if kind == 2:
        return text.replace(b"\n", b"\r\n")
    if kind == 3:
        return text.replace(b'="', b" = '").replace(b'"', b"'")
    if kind == 4:
        return text.replace(b"envelope/1", b"envelope/2")
    return text


def _elements(root: etree._Element) -> Elements:
    return list(root.iter(etree.Element))


def _below(root: etree._Element, pick: Random) -> etree._Element | None:
    found = _elements(root)[1:]
    return pick.choice(found) if found else None


def _any(root: etree._Element, pick: Random) -> etree._Element:
    return pick.choice(_elements(root))


def _word(root: etree._Element, pick: Random) -> str:
    """Return a value of another place, or one that is known to hurt."""
    if pick.random() < 0.5:
        return pick.choice(WORDS)
    other = _any(root, pick)
    values = [str(value) for value in other.attrib.values()]
    return pick.choice([*values, other.text or ""])


def _drop(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    found = _below(root, pick)
    parent = None if found is None else found.getparent()
    if found is not None and parent is not None:
        parent.remove(found)


def _unwrap(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Put what is in an element into its place."""
    found = _below(root, pick)
    parent = None if found is None else found.getparent()
    if found is None or parent is None:
        return
    at = parent.index(found)
    for child in reversed(list(found)):
        parent.insert(at, child)
    parent.remove(found)


def _double(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Double an element beside itself, seldom many times."""
    found = _below(root, pick)
    if found is None:
        return
    size = len(_elements(found))
    for _number in range(MANY if size < MANY and pick.random() < 0.1 else 1):
        found.addnext(deepcopy(found))


def _move(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    found, home = _below(root, pick), _any(root, pick)
    if found is not None and found not in [home, *home.iterancestors()]:
        home.insert(pick.randint(0, len(home)), found)


def _copy(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    found, home = _below(root, pick), _any(root, pick)
    if found is not None and len(_elements(found)) < 200:
        home.insert(pick.randint(0, len(home)), deepcopy(found))


def _graft(root: etree._Element, others: Sequence[bytes], pick: Random) -> None:
    """Take an element of another document, often to where one of its name is."""
    other = _tree(pick.choice(others)) if others else None
    found = None if other is None else _below(other, pick)
    if found is None or len(_elements(found)) > 200:
        return
    alike = list(root.iter(found.tag))
    if alike and alike[0] is not root:
        pick.choice(alike).addnext(deepcopy(found))
    else:
        home = _any(root, pick)
        home.insert(pick.randint(0, len(home)), deepcopy(found))


def _rename(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    found, other = _any(root, pick), etree.QName(_any(root, pick))
    own = etree.QName(found)
    if pick.random() < 0.5:
        space, local = own.namespace, other.localname
    else:
        space, local = pick.choice((*SPACES, other.namespace)), own.localname
    found.tag = etree.QName(space or None, local).text


def _respace(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Move all elements of a namespace into another."""
    old, new = etree.QName(_any(root, pick)).namespace, pick.choice(SPACES)
    for each in _elements(root):
        if etree.QName(each).namespace == old:
            each.tag = etree.QName(new, etree.QName(each).localname).text


def _say(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Give an attribute another value, or a text."""
    found, word = _any(root, pick), _word(root, pick)
    if found.attrib and pick.random() < 0.6:
        found.set(pick.choice(list(found.attrib)), word)
    else:
        found.text = word


def _add(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Give an element an attribute that others have."""
    found, other = _any(root, pick), _any(root, pick)
    flag = f"{{{etree.QName(root).namespace or SPACES[0]}}}{pick.choice(FLAGS)}"
    found.set(pick.choice([*other.attrib, flag]), _word(root, pick))


def _forget(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Take an attribute away, or its namespace."""
    found = _any(root, pick)
    if not found.attrib:
        return
    name = pick.choice(list(found.attrib))
    value = found.attrib.pop(name)
    if pick.random() < 0.3:
        found.set(etree.QName(str(name)).localname, str(value))


def _swap(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Put the children of an element into another order."""
    found = _any(root, pick)
    children = list(found)
    pick.shuffle(children)
    found[:] = children


def _remark(root: etree._Element, _: Sequence[bytes], pick: Random) -> None:
    """Put a comment or an instruction between, or text around."""
    found = _any(root, pick)
    kind = pick.randrange(4)
    if kind == 0:
        found.insert(0, etree.Comment(pick.choice((" rehost: ignore ITM, DSK-004 why ", "x"))))
    elif kind == 1:
        found.insert(pick.randint(0, len(found)), etree.ProcessingInstruction("a", "b"))
    elif kind == 2:
        found.tail = pick.choice(("", " ", "\n\n", "text", "\u00e4"))
    else:
        found.text = etree.CDATA("a <b> & c")


Change = Callable[[etree._Element, Sequence[bytes], Random], None]
CHANGES: tuple[Change, ...] = (
    *(_drop, _drop, _unwrap, _double, _double, _move, _move, _copy, _graft, _graft, _graft),
    *(_rename, _rename, _respace, _say, _say, _say, _say, _add, _add, _forget, _forget),
    *(_swap, _remark),
)
