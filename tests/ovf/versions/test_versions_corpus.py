"""Real descriptors in the other version and back: the same machines, as valid as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from lxml import etree

from ovf.edit.draft import Draft
from ovf.machines.hardware import read_machines
from ovf.package import Package
from ovf.versions.anew import restated_dialect
from ovf.versions.restate import restate
from rehost.errors import InteropError
from rehost.machine import Machine
from tests.ovf.schema import published
from tests.ovf.test_corpus import ROOT

OTHER = {"1": "2", "2": "1"}

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the corpus is not here")


def packages() -> Iterator[Package]:
    """Yield what is OVF 1.x or 2.x, each text once."""
    known = set()
    for path in sorted(ROOT.rglob("*.ovf")):
        try:
            package = Package.open(path)
            envelope = package.envelope
        except InteropError:
            continue
        new = package.descriptor.content not in known
        known.add(package.descriptor.content)
        if new and envelope.version in OTHER and envelope.dialect is None:
            yield package


def machines(package: Package) -> list[Machine] | str:
    try:
        return [machine for machine, _ in read_machines(package)]
    except InteropError as error:
        return type(error).__name__


def valid(content: bytes, release: str) -> bool:
    return published.envelope(release).validate(etree.fromstring(content))


def test_real_descriptors_keep_their_machines_and_their_validity() -> None:
    seen: Counter[str] = Counter()
    for package in packages():
        draft, version = Draft.of(package), package.envelope.version
        restate(draft, OTHER[version])
        there = package.described_by(draft.content)
        restate(draft, version)
        back = package.described_by(draft.content)
        assert machines(package) == machines(there) == machines(back), package.path
        seen[version] += 1
        if version == "1" and valid(package.descriptor.content, "1.1.1"):
            assert valid(there.descriptor.content, "2.0.1"), package.path
            assert valid(back.descriptor.content, "1.1.1"), package.path
            seen["valid"] += 1
    assert seen["1"] > 450
    assert seen["2"] >= 1
    assert seen["valid"] > 200


def test_real_descriptors_in_dialects_are_the_same_machines_when_written_anew() -> None:
    seen: Counter[str] = Counter()
    for path in sorted([*ROOT.rglob("*.ovf"), *(ROOT / "ovirt-engine").rglob("*.xml")]):
        try:
            package = Package.open(path)
            dialect = package.envelope.dialect
            draft = restated_dialect(package)[0] if dialect else None
        except InteropError:
            continue
        if dialect and draft:
            new = package.described_by(draft.content)
            assert machines(new) == machines(package), path
            seen[dialect] += 1
    assert min(seen[name] for name in ("OVF 0.9", "the draft of OVF 1.0", "oVirt's dialect")) > 5
