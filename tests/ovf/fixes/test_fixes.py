"""Every fix, on the example that breaks its rule: what it says, and that nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovf.judging.rule import Needs, all_rules
from ovf.judging.validate import validate
from ovf.mending.fix import Fix, all_fixes
from ovf.mending.mend import mend
from ovf.package import Package
from tests.ovf.builders import FIXTURES

RULES = {rule.id: rule for rule in all_rules()}
FROM_FILES = {"DSK-002", "DSK-008", "PKG-006", "REF-007", "REF-016"}
"""Rules that look at descriptors alone, though what they demand is found in files only."""
OF_DESCRIPTORS = [
    fix
    for fix in all_fixes()
    if fix.rule in RULES and RULES[fix.rule].needs is Needs.DESCRIPTOR
    if fix.rule not in FROM_FILES
]
MORE_IS_WRONG = {"CNT-003", "DSK-004", "EXT-001", "ENV-005", "ITM-001", "ITM-017", "PRD-014"}
"""Rules whose example also holds what is mended by a guess only."""
HIDDEN = {"ENV-007", "OEN-008"}
"""What was not asked before: of the children of items out of order, of a list of transports."""
each_fix = pytest.mark.parametrize("fix", OF_DESCRIPTORS, ids=lambda fix: fix.rule)


def said(package: Package, folder: Path) -> str:
    lines = (str(repair).replace(f"{folder}/", "") for repair in mend(package).repairs)
    return "\n".join(lines) + "\n"


def found(package: Package) -> set[str]:
    return {finding.rule for finding in validate(package, descriptor_only=True)}


@each_fix
def test_a_fix_mends_the_example_in_the_expected_words(fix: Fix) -> None:
    folder = FIXTURES / "rules" / fix.rule
    package = Package.open(folder / "bad.ovf")
    expected = (FIXTURES / "fixes" / f"{fix.rule}.expected").read_text()
    assert said(package, folder) == expected


@each_fix
def test_what_was_mended_is_as_the_rule_wants_it(fix: Fix) -> None:
    package = Package.open(FIXTURES / "rules" / fix.rule / "bad.ovf")
    done = mend(package)
    now = package.described_by(done.draft.content)
    before, after = found(package), found(now)
    assert after <= before | HIDDEN
    assert (fix.rule in after) == (fix.rule in MORE_IS_WRONG)
    assert mend(now).repairs == ()


@each_fix
def test_a_good_example_is_left_byte_for_byte(fix: Fix) -> None:
    package = Package.open(FIXTURES / "rules" / fix.rule / "good.ovf")
    done = mend(package)
    assert (done.repairs, done.draft.content) == ((), package.descriptor.content)
