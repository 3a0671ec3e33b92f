"""rehost's schemas and the DMTF's say the same of every descriptor, but for what is listed.

Compared on all real descriptors at hand, on documents that hold every element there is, and on
their mutations; a real descriptor is also read as if it were of the other version.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from ovf.foreign import VERSIONS
from ovf.parse import parse
from ovf.schema.vocabulary import vocabulary
from rehost.errors import InteropError
from tests.ovf.schema.differences import DIFFERENCES, Difference
from tests.ovf.schema.documents import plain, whole
from tests.ovf.schema.mutation import Mutation, mutations
from tests.ovf.schema.published import (
    ENVELOPES,
    ENVIRONMENTS,
    FOLDER,
    envelope,
    environment,
    messages,
    own,
)
from tests.ovf.test_corpus import ROOT

WHOLES = {"1": "envelope-1-early.ovf", "2": "envelope-2.ovf"}
"""The first has no properties that a release of OVF 1.x does not know."""
FIRST, SECOND = (namespace.encode() for namespace in VERSIONS)
MUTATIONS_OF_EACH = 8
PAGE = Path(__file__).parents[3] / "docs" / "ovf-schemas.md"

compared = pytest.mark.skipif(not FOLDER.is_dir(), reason="the DMTF's schemas are not here")


class Comparison:
    """What two schemas say of documents: how often, and why where they disagree."""

    def __init__(self) -> None:
        self.documents = 0
        self.refused = 0
        self.reasons: set[Difference] = set()
        self.unexplained: list[str] = []

    def look(self, document: etree._Element, version: str, what: str) -> None:
        """Ask the schemas of a version."""
        ours = own(f"envelope-{version}")
        said = ours.validate(document)
        self.documents += 1
        self.refused += not said
        for release in ENVELOPES[version]:
            theirs = envelope(release)
            if theirs.validate(document) is not said:
                refusal = messages(theirs if said else ours)
                self._explain(release, refusal, f"{what}, {release}", ours=said)

    def _explain(self, release: str, refusal: list[str], what: str, *, ours: bool) -> None:
        for message in refusal:
            reasons = [one for one in DIFFERENCES if one.explains(release, message, ours=ours)]
            self.reasons.update(reasons)
            if not reasons:
                self.unexplained.append(f"{what}: {message}")


@cache
def real() -> tuple[tuple[str, etree._Element, str], ...]:
    """Return every descriptor that can be parsed: its name, its tree and the version tried."""
    return tuple(_real())


def _real() -> Iterator[tuple[str, etree._Element, str]]:
    for path in sorted(ROOT.rglob("*.ovf")):
        content = path.read_bytes()
        for given, taken, version in ((FIRST, FIRST, "1"), (FIRST, SECOND, "2")):
            try:
                root = parse(content.replace(given, taken), path.name)
            except InteropError:
                continue
            if VERSIONS.get(etree.QName(root).namespace or "") == version:
                yield f"{path.name} as {version}.x", root, version


@cache
def everything() -> Comparison:
    comparison = Comparison()
    for version, name in WHOLES.items():
        for root, title in ((whole(name), name), (plain(name), f"{name} without extensions")):
            _look_at(comparison, root, version, title, list(mutations(root)))
    _look_at(comparison, whole("envelope-1.ovf"), "1", "envelope-1.ovf", [])
    for name, root, version in real():
        every = list(mutations(root))
        some = random.Random(name).sample(every, min(MUTATIONS_OF_EACH, len(every)))
        _look_at(comparison, root, version, name, some)
    return comparison


def _look_at(
    comparison: Comparison,
    root: etree._Element,
    version: str,
    name: str,
    changes: list[Mutation],
) -> None:
    comparison.look(root, version, name)
    for mutation in changes:
        what = f"{name}, element {mutation.number} {mutation.what}"
        comparison.look(mutation.of(root), version, what)


@compared
def test_every_disagreement_with_the_published_schemas_is_listed() -> None:
    assert everything().unexplained == []


@compared
def test_every_listed_disagreement_occurs() -> None:
    assert set(DIFFERENCES) - everything().reasons == set()


@compared
def test_documents_of_both_kinds_were_compared_in_numbers() -> None:
    comparison = everything()
    assert comparison.documents > 12_000
    assert 0.3 < comparison.refused / comparison.documents < 0.9


@compared
def test_environments_are_judged_as_by_the_published_schemas() -> None:
    documents = [whole("environment-1.xml"), plain("environment-1.xml")]
    documents += [mutation.of(root) for root in documents for mutation in mutations(root)]
    documents += list(_real_environments())
    assert len(documents) > 200
    ours = own("environment-1")
    for document in documents:
        said = ours.validate(document)
        assert {environment(release).validate(document) for release in ENVIRONMENTS} == {said}


def _real_environments() -> Iterator[etree._Element]:
    for path in sorted(ROOT.rglob("*.xml")):
        try:
            root = parse(path.read_bytes(), path.name)
        except InteropError:
            continue
        if etree.QName(root).localname == "Environment":
            yield root


@pytest.mark.parametrize(("version", "name"), [("1", "envelope-1.ovf"), ("2", "envelope-2.ovf")])
def test_the_whole_documents_are_valid_and_hold_every_element(version: str, name: str) -> None:
    root = whole(name)
    assert own(f"envelope-{version}").validate(root)
    used = {str(element.tag) for element in root.iter(etree.Element)}
    missing = {tag.rpartition("}")[2] for tag in vocabulary(version).elements - used}
    stand_ins = {"Section", "Content", "Date", "Datetime", "Time"}
    unused = {"EncryptedData", "OtherSource", "Parameters"}
    assert {tag for tag in missing if not tag.startswith("CIM_")} <= stand_ins | unused


def test_the_page_of_differences_holds_the_reasons() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert [one.reason for one in DIFFERENCES if one.reason not in page] == []
