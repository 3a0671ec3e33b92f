"""Packages with string bundles that break a rule of clause 10, and what is found in them."""

from __future__ import annotations

from tests.ovf.builders import descriptor
from tests.ovf.judging.breaking import Build, archive

ONE = "http://schemas.dmtf.org/ovf/envelope/1"
LICENCE = (
    '<EulaSection><Info ovf:msgid="info">Terms</Info><License ovf:msgid="terms"/></EulaSection>'
)


def bundle(*messages: str, root: str = "Strings", namespace: str = ONE, more: str = "") -> bytes:
    """Return a bundle in a file, with a message a line from the second line on."""
    lines = "".join(f'\n<Msg ovf:msgid="{name}">{name}</Msg>' for name in messages)
    bound = f'xmlns="{namespace}" xmlns:ovf="{ONE}" xml:lang="de"'
    return f"<{root} {bound} {more}>{lines}</{root}>".encode()


def with_bundle(content: bytes | None, inside: str = "", sections: str = LICENCE) -> Build:
    """Return a builder of an archive with a bundle in a file, and ``inside`` another in line 17."""
    listed = '<File ovf:id="words" ovf:href="de.xml"/>'
    text = descriptor(references=listed, sections=sections)
    strings = f'<Strings xml:lang="de" ovf:fileRef="words"/>\n{inside}</Envelope>'
    members = {"web.ovf": text.replace("</Envelope>", strings).encode()}
    return archive(members if content is None else {**members, "de.xml": content})


FRENCH = '<Strings xml:lang="fr">\n<Msg ovf:msgid="info">Conditions</Msg>\n</Strings>'
CASES: dict[str, list[tuple[Build, str]]] = {
    "I18-002": [
        (
            with_bundle(bundle("info")),
            "x.ova!web.ovf:8: error: License is empty, and no bundle has the message 'terms'",
        ),
        (with_bundle(bundle("terms")), ""),
        (with_bundle(None), ""),
    ],
    "I18-005": [
        (
            with_bundle(bundle(root="Words")),
            f"x.ova!de.xml:1: error: is no string bundle (its root is {{{ONE}}}Words)",
        ),
        (
            with_bundle(bundle(namespace="urn:x")),
            "x.ova!de.xml:1: error: is no string bundle (its root is {urn:x}Strings)",
        ),
        (
            with_bundle(bundle(more='ovf:fileRef="words"'), '<Strings ovf:fileRef="words"/>'),
            "x.ova!de.xml:1: error: names another file by ovf:fileRef",
        ),
        (
            with_bundle(b"words"),
            "x.ova!de.xml:1: error: is not well-formed XML (syntax error)",
        ),
        (
            with_bundle(b"<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><x>&x;</x>"),
            "x.ova!de.xml:1: error: has a document type declaration",
        ),
        (with_bundle(None), ""),
    ],
    "I18-006": [
        (
            with_bundle(bundle("info", "terms", "info"), FRENCH),
            "x.ova!de.xml:4: warning: message 'info' of de is given again (first in line 2)",
        ),
        (
            with_bundle(None, FRENCH * 2),
            "x.ova!web.ovf:19: warning: message 'info' of fr is given again (first in line 17)",
        ),
    ],
    "I18-008": [
        (
            with_bundle(bundle("info"), FRENCH),
            "x.ova!web.ovf:15: info: locale de lacks 1 of 2 messages (terms)\n"
            "x.ova!web.ovf:16: info: locale fr lacks 1 of 2 messages (terms)",
        ),
        (
            with_bundle(bundle(), sections="".join(f'<A ovf:msgid="{n}">x</A>' for n in range(7))),
            "x.ova!web.ovf:15: info: locale de lacks 7 of 7 messages (0, 1, 2, 3, 4, ...)",
        ),
        (with_bundle(bundle("info", "terms")), ""),
        (with_bundle(b"<broken"), ""),
    ],
}
