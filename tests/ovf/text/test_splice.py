"""Changes in a document's own text: all that is not touched stays byte for byte."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ovf.text.splice import Manuscript
from rehost.errors import InteropError, UnsupportedInputError, UsageError
from tests.support.corpus import CORPUS

NS = "urn:one"
DOCUMENT = """\
<?xml version='1.0' encoding='UTF-8'?>
<!-- a first word -->
<a:Root xmlns:a="urn:one"  xmlns='urn:one'
    xmlns:b="urn:two" a:id='1'>
\t<Info >says &amp; means</Info>
\t<Item   b:x = "1"  ><b:Name>one</b:Name></Item> <!-- of one -->
\t<!-- of two -->
\t<Item b:x="2"><b:Name>two</b:Name></Item>
\t<List>
\t\t<Disk id="d"/>
\t</List>
\t<Empty/>
</a:Root>
<?last word?>
"""
Change = Callable[[Manuscript], None]


def element(tag: str, text: str = "", **attributes: str) -> etree._Element:
    made = etree.Element(tag, attributes)
    made.text = text or None
    return made


def item(number: int) -> etree._Element:
    made = element(f"{{{NS}}}Item")
    made.set("{urn:two}x", str(number))
    made.append(element("{urn:two}Name", "new"))
    return made


def at(manuscript: Manuscript, number: int) -> etree._Element:
    return list(manuscript.root.iterchildren(etree.Element))[number]


def change(do: Change, text: str = DOCUMENT) -> str:
    manuscript = Manuscript(text.encode(), "x.ovf")
    do(manuscript)
    return manuscript.content().decode()


def test_no_change_gives_the_same_object() -> None:
    content = DOCUMENT.encode()
    assert Manuscript(content, "x.ovf").content() is content
    assert not Manuscript(content, "x.ovf").changed


CASES: dict[str, tuple[Change, str, str]] = {
    "an attribute keeps its quotes and spaces": (
        lambda m: m.set(m.root, f"{{{NS}}}id", "it's <\"&"),
        "a:id='1'",
        "a:id='it&apos;s &lt;\"&amp;'",
    ),
    "an attribute is set in place": (
        lambda m: m.set(at(m, 1), "{urn:two}x", 'a"\n'),
        'b:x = "1"  >',
        'b:x = "a&quot;&#10;"  >',
    ),
    "a new attribute stands behind the others": (
        lambda m: m.set(at(m, 2), "y", "3"),
        '<Item b:x="2">',
        '<Item b:x="2" y="3">',
    ),
    "a new attribute in a namespace has a prefix": (
        lambda m: m.set(at(m, 4), f"{{{NS}}}y", "3"),
        "<Empty/>",
        '<Empty a:y="3"/>',
    ),
    "a namespace without a prefix gets one": (
        lambda m: m.set(at(m, 4), "{urn:three}y", "3"),
        "<Empty/>",
        '<Empty xmlns:ns="urn:three" ns:y="3"/>',
    ),
    "a declaration is an attribute too": (
        lambda m: m.set(m.root, "xmlns:b", "urn:second"),
        'xmlns:b="urn:two"',
        'xmlns:b="urn:second"',
    ),
    "xml:lang has the prefix it always has": (
        lambda m: m.set(at(m, 4), "{http://www.w3.org/XML/1998/namespace}lang", "de"),
        "<Empty/>",
        '<Empty xml:lang="de"/>',
    ),
    "an attribute goes with the space before it": (
        lambda m: m.unset(at(m, 1), "{urn:two}x"),
        'Item   b:x = "1"  >',
        "Item  >",
    ),
    "an attribute that is not there stays away": (lambda m: m.unset(m.root, "nothing"), "", ""),
    "text is replaced": (
        lambda m: m.write(at(m, 0), "1 < 2 & 3 > 2"),
        "says &amp; means",
        "1 &lt; 2 &amp; 3 &gt; 2",
    ),
    "an empty element gets text": (
        lambda m: m.write(at(m, 4), "full"),
        "<Empty/>",
        "<Empty>full</Empty>",
    ),
    "an element is renamed at both ends": (
        lambda m: m.rename(at(m, 1)[0], "Caption"),
        "<b:Name>one</b:Name>",
        "<b:Caption>one</b:Caption>",
    ),
    "an empty element is renamed": (lambda m: m.rename(at(m, 4), "None"), "<Empty/>", "<None/>"),
    "an element goes with its line, a comment about it stays": (
        lambda m: m.remove(at(m, 2)),
        '\t<!-- of two -->\n\t<Item b:x="2"><b:Name>two</b:Name></Item>\n',
        "\t<!-- of two -->\n",
    ),
    "the last element goes": (lambda m: m.remove(at(m, 4)), "\t<Empty/>\n", ""),
    "the only element goes": (lambda m: m.remove(at(m, 3)[0]), '\t\t<Disk id="d"/>\n', ""),
    "a new element is set like its neighbours": (
        lambda m: m.after(at(m, 1), item(9)),
        "<!-- of one -->\n",
        '<!-- of one -->\n\t<Item b:x="9"><b:Name>new</b:Name></Item>\n',
    ),
    "before an element is before what is said of it": (
        lambda m: m.before(at(m, 2), item(9)),
        "<!-- of one -->\n",
        '<!-- of one -->\n\t<Item b:x="9"><b:Name>new</b:Name></Item>\n',
    ),
    "a new last element": (
        lambda m: m.append(at(m, 3), element(f"{{{NS}}}Disk", id="e")),
        '\t\t<Disk id="d"/>\n',
        '\t\t<Disk id="d"/>\n\t\t<Disk id="e"/>\n',
    ),
    "a new first element": (
        lambda m: m.prepend(at(m, 3), element(f"{{{NS}}}Disk", id="e")),
        '\t\t<Disk id="d"/>\n',
        '\t\t<Disk id="e"/>\n\t\t<Disk id="d"/>\n',
    ),
    "a first child opens its parent": (
        lambda m: m.append(at(m, 4), item(9)),
        "<Empty/>",
        '<Empty>\n\t\t<Item b:x="9">\n\t\t\t<b:Name>new</b:Name>\n\t\t</Item>\n\t</Empty>',
    ),
    "elements change places with what is said of them": (
        lambda m: m.reorder(m.root, [at(m, n) for n in (0, 2, 1, 3, 4)]),
        '\t<Item   b:x = "1"  ><b:Name>one</b:Name></Item> <!-- of one -->\n'
        '\t<!-- of two -->\n\t<Item b:x="2"><b:Name>two</b:Name></Item>\n',
        '\t<!-- of two -->\n\t<Item b:x="2"><b:Name>two</b:Name></Item>\n'
        '\t<Item   b:x = "1"  ><b:Name>one</b:Name></Item> <!-- of one -->\n',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_change_changes_nothing_else(name: str) -> None:
    do, before, after = CASES[name]
    assert DOCUMENT.count(before) == 1 or not before
    assert change(do) == DOCUMENT.replace(before, after, 1)


def test_several_changes_at_once() -> None:
    def do(manuscript: Manuscript) -> None:
        listed = at(manuscript, 3)
        new = element(f"{{{NS}}}Disk", id="e")
        manuscript.append(listed, new)
        manuscript.before(new, element(f"{{{NS}}}Disk", id="e1"))
        manuscript.after(new, element(f"{{{NS}}}Disk", id="e2"))
        manuscript.remove(listed[0])
        manuscript.remove(new)
        manuscript.set(listed, "id", "1")
        manuscript.set(listed, "id", "2")

    after = '\t<List id="2">\n\t\t<Disk id="e1"/>\n\t\t<Disk id="e2"/>\n\t</List>\n'
    assert change(do) == DOCUMENT.replace('\t<List>\n\t\t<Disk id="d"/>\n\t</List>\n', after)


def test_a_document_in_one_line_stays_in_one_line() -> None:
    text = '<r xmlns="urn:one"><a/></r>'
    done = change(lambda m: m.append(m.root, item(1)), text)
    assert done == (
        '<r xmlns="urn:one"><a/><Item xmlns:ns="urn:two" ns:x="1"><ns:Name>new</ns:Name></Item></r>'
    )


def test_line_ends_are_imitated() -> None:
    text = "<r>\r\n  <a>\r\n    <b/>\r\n  </a>\r\n</r>\r\n"
    done = change(lambda m: m.append(m.root[0][0], element("c")), text)
    assert done == text.replace("<b/>", "<b>\r\n      <c/>\r\n    </b>")


def test_attributes_one_a_line_stay_so() -> None:
    text = "<r\n   a='1'\n   b='2'/>"
    done = change(lambda m: m.set(m.root, "c", "3"), text)
    assert done == "<r\n   a='1'\n   b='2'\n   c='3'/>"


@pytest.mark.parametrize(
    ("encoding", "declared", "mark"),
    [
        ("utf-8", "UTF-8", b"\xef\xbb\xbf"),
        ("utf-16-le", "UTF-16", b"\xff\xfe"),
        ("utf-16-be", "UTF-16", b"\xfe\xff"),
        ("iso8859-1", "ISO-8859-1", b""),
        ("shift_jis", "Shift_JIS", b""),
    ],
)
def test_the_encoding_is_kept(encoding: str, declared: str, mark: bytes) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>\n<a>\n<b/></a>\n'
    manuscript = Manuscript(mark + text.encode(encoding), "x.ovf")
    manuscript.write(manuscript.root[0], "≤1")
    whole = mark + text.replace("<b/>", "<b>≤1</b>").encode(encoding, "xmlcharrefreplace")
    assert manuscript.content() == whole
    assert Manuscript(whole, "x.ovf").root[0].text == "≤1"


def test_an_encoding_that_would_lose_something_is_refused() -> None:
    ten_spelled_oddly = b'<?xml version="1.0" encoding="Big5"?><a>\xa2\xcc</a>'
    manuscript = Manuscript(ten_spelled_oddly, "x.ovf")
    assert manuscript.content() is ten_spelled_oddly
    manuscript.set(manuscript.root, "b", "1")
    with pytest.raises(UnsupportedInputError) as caught:
        manuscript.content()
    assert str(caught.value) == "x.ovf: cannot be changed without a loss in its encoding (big5)"
    assert caught.value.hint == "Save it as UTF-8."


def test_what_xml_cannot_carry_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        change(lambda m: m.write(at(m, 0), "bell\a"))
    assert str(caught.value) == (
        "a text holds a character that XML cannot carry ('\\x07' in 'bell\\x07')"
    )


def test_misuse_is_told_at_once() -> None:
    manuscript = Manuscript(DOCUMENT.encode(), "x.ovf")
    stranger = element("a")
    misuses: list[Callable[[], None]] = [
        lambda: manuscript.set(stranger, "a", "1"),
        lambda: manuscript.before(stranger, element("b")),
        lambda: manuscript.append(manuscript.root, at(manuscript, 1)),
        lambda: manuscript.reorder(manuscript.root, [at(manuscript, 0)]),
    ]
    for misuse in misuses:
        with pytest.raises(ValueError, match=r"element|order"):
            misuse()


names = st.sampled_from(["a", "b", "p:a", "p:b", "q:c"])
spaces = st.sampled_from(["", " ", "\n", "\n  ", "\r\n\t", "\n<!-- c\n c -->\n ", " <!-- > -->\n"])
words = st.sampled_from(["", "x", "x &amp; y", "<![CDATA[<]]>", "é"])
quoted = st.sampled_from(["'1'", '"2"', "'a\"b'", '"&lt;>"'])


@st.composite
def attributes(draw: st.DrawFn) -> str:
    listed = draw(st.lists(st.tuples(names, quoted), max_size=2, unique_by=lambda each: each[0]))
    return "".join(f"{draw(st.sampled_from([' ', chr(10)]))}{n} = {v}" for n, v in listed)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    name, more = draw(names), draw(attributes())
    children = draw(st.lists(elements(depth - 1), max_size=3)) if depth else []
    if not children:
        text = draw(words)
        return f"<{name}{more}/>" if not text else f"<{name}{more} >{text}</{name} >"
    inside = "".join(draw(spaces) + child for child in children)
    return f"<{name}{more}>{inside}{draw(spaces)}</{name}>"


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    inside = draw(elements())
    return f'<r xmlns:p="urn:one" xmlns:q="urn:two">{inside}{draw(spaces)}</r>\n'.encode()


def shape(root: etree._Element) -> object:
    """Return what a tree says, the white space that only sets it left out."""
    children = [shape(child) for child in root.iterchildren(etree.Element)]
    text = "" if children else root.text or ""
    return str(root.tag), sorted(map(str, root.attrib.items())), text.strip(), children


def edit(pick: st.DataObject, manuscript: Manuscript, tree: etree._Element) -> None:
    """Make one change in the text and in a tree beside it."""
    pairs = list(zip(manuscript.root.iter(etree.Element), tree.iter(etree.Element), strict=True))
    (one, other), kind = pick.draw(st.sampled_from(pairs)), pick.draw(st.integers(0, 5))
    parent = other.getparent()
    if kind == 0:
        manuscript.set(one, "{urn:one}a", "<'\">")
        other.set("{urn:one}a", "<'\">")
    elif kind == 1:
        manuscript.unset(one, "{urn:one}a")
        other.attrib.pop("{urn:one}a", "")
    elif kind == 2 and not len(one):
        manuscript.write(one, "<new>")
        other.text = "<new>"
    elif kind == 3:
        manuscript.append(one, item(1))
        other.append(item(1))
    elif kind == 4 and parent is not None:
        manuscript.before(one, item(2))
        parent.insert(parent.index(other), item(2))
    elif parent is not None:
        manuscript.remove(one)
        parent.remove(other)


@given(documents(), st.data())
def test_changes_of_the_text_are_changes_of_the_tree(content: bytes, pick: st.DataObject) -> None:
    manuscript = Manuscript(content, "x.ovf")
    tree = copy.deepcopy(manuscript.root)
    for _ in range(pick.draw(st.integers(1, 4))):
        edit(pick, manuscript, tree)
        manuscript = manuscript.again()
        assert shape(manuscript.root) == shape(tree)


@given(documents(), st.data())
def test_one_change_leaves_a_common_start_and_end(content: bytes, pick: st.DataObject) -> None:
    manuscript = Manuscript(content, "x.ovf")
    one = pick.draw(st.sampled_from(list(manuscript.root.iter(etree.Element))))
    manuscript.set(one, "new", "1")
    changed = manuscript.content()
    [place] = [at for at in range(len(changed)) if changed[at:].startswith(b"new=")]
    assert changed[: place - 1] + changed[place + len('new="1"') :] == content


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_every_real_descriptor_is_written_back_byte_for_byte() -> None:
    count = 0
    for path in sorted((CORPUS / "ovf").rglob("*.ovf")):
        content = path.read_bytes()
        try:
            manuscript = Manuscript(content, path.name)
        except InteropError:
            continue
        for each in manuscript.root.iter(etree.Element):
            manuscript.unset(each, "there is no such attribute")
        assert manuscript.content() == content, path
        count += 1
    assert count > 500
