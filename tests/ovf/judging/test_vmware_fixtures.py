"""What the profile ``vmware`` makes of VMware's own test descriptors, accepted and refused.

Their folders say what ovftool does with them. Some say what they say of disks that are not there,
so a descriptor among the refused can be the same as one among the accepted but for the names of
its files: whoever sees only the descriptor cannot tell them apart. Such pairs are found by
comparing, not by a list.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from ovf.judging.targets import Outcome, prospect, target_named
from ovf.package import Package
from rehost.errors import InteropError
from tests.ovf.test_corpus import ROOT

DOCUMENT = Path(__file__).parents[3] / "docs" / "vmware-fixtures.md"
ENOUGH = 0.97
UNSEEN = re.compile(rb'( [\w-]+:(?:href|capacity|capacityAllocationUnits|size))="[^"]*"')

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the corpus is not here")


def labelled(label: str) -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.ovf") if label in path.parts)


def name(path: Path) -> str:
    return str(path).partition("xmltestfiles/")[2]


@cache
def accepted(path: Path) -> bool:
    try:
        found = prospect(Package.open(path), target_named("vmware"), descriptor_only=True)
    except InteropError:
        return False
    return found.outcome is not Outcome.REFUSES


def told_by_the_descriptor(path: Path) -> bytes | None:
    """Return a descriptor in one spelling, without what only a look at its disks could confirm."""
    try:
        root = etree.parse(str(path), etree.XMLParser(remove_comments=True))
    except etree.XMLSyntaxError:
        return None
    text: bytes = etree.tostring(root, method="c14n", with_comments=False)
    return UNSEEN.sub(rb"\1", re.sub(rb">\s+<", b"><", text))


@cache
def sayings(label: str) -> frozenset[bytes | None]:
    return frozenset(map(told_by_the_descriptor, labelled(label))) - {None}


def undecided(path: Path, other: str) -> bool:
    return told_by_the_descriptor(path) in sayings(other)


def test_of_the_accepted_at_least_97_percent_are_accepted() -> None:
    files = labelled("Pos")
    assert len(files) > 100
    assert sum(map(accepted, files)) / len(files) >= ENOUGH


def test_of_the_refused_at_least_97_percent_are_refused_that_can_be_told_apart() -> None:
    files = [path for path in labelled("Neg") if not undecided(path, "Pos")]
    assert len(files) > 55
    assert sum(not accepted(path) for path in files) / len(files) >= ENOUGH


def test_every_miss_is_explained() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    misses = [path for path in labelled("Pos") if not accepted(path)]
    misses += [path for path in labelled("Neg") if accepted(path)]
    assert [name(path) for path in misses if f"`{name(path)}`" not in text] == []
