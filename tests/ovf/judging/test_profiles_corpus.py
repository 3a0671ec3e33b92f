"""Importers' own test descriptors, which the importers take, and so must their profiles."""

from __future__ import annotations

import pytest

from ovf.judging.targets import Outcome, all_targets, prospect, target_named
from ovf.package import Package
from rehost.errors import InteropError
from tests.ovf.test_corpus import ROOT

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the corpus is not here")

OWN = {"virt-v2v": ("virt-v2v", 8), "virtualbox": ("virtualbox", 3)}


@pytest.mark.parametrize("target", OWN)
def test_an_importer_takes_what_it_is_tested_with(target: str) -> None:
    folder, least = OWN[target]
    descriptors = sorted((ROOT / folder).rglob("*.ovf"))
    assert len(descriptors) >= least
    for path in descriptors:
        found = prospect(Package.open(path), target_named(target), descriptor_only=True)
        assert found.outcome is not Outcome.REFUSES, (path, found.findings)


def test_every_profile_judges_every_descriptor() -> None:
    judged = 0
    profiles = {target.profile: target for target in all_targets().values()}
    for path in sorted(ROOT.rglob("*.ovf")):
        package = Package.open(path)
        for target in profiles.values():
            try:
                found = prospect(package, target, descriptor_only=True)
            except InteropError:
                break
            judged += 1
            assert found.outcome in Outcome
    assert judged > 500 * len(profiles)
