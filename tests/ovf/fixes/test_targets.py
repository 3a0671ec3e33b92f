"""Every fix for an importer, on the example that breaks its check: what it says, what is left."""

from __future__ import annotations

from collections import Counter

import pytest

from ovf.judging.profile import all_checks
from ovf.judging.targets import target_named
from ovf.mending.fix import COVERED, all_fixes
from ovf.mending.mend import mend
from ovf.package import Package
from rehost.errors import InteropError
from tests.ovf.builders import FIXTURES, target_of
from tests.support.corpus import CORPUS

CHECKS = {check.id: check for check in all_checks()}
NEED_FILES = frozenset(
    (
        *("AWS-001", "AWS-005", "GCP-010", "NTX-001", "OSK-004", "PVE-007", "PVE-011", "V2V-007"),
        *("V2V-012", "VBX-012", "VBX-015", "VMW-033", "VMW-034", "VMW-035", "XEN-007", "XEN-008"),
        "XOA-007",
    )
)
"""Checks that are mended from what is in the files, which these examples do not have."""
LEFT = frozenset(("FKL-006", "PVE-005", "VBX-007", "VMW-020", "XEN-011", "XOA-003"))
"""Checks whose examples also hold what is mended by a guess only."""
OTHERWISE = {
    "FKL-004": (("GigaBytes", "gibibyte"), ("byte * 2 ^ 20", "mebibyte")),
    "OVI-004": (("GigaBytes", "gibibyte"),),
    "XEN-002": (("GigaBytes", "gibibyte"),),
    "GCP-003": (("ovf://disk/disk1", "ovf:/file/file1"),),
    "V2V-004": (("ovf://disk/disk1", "ovf:/file/file1"),),
    "PVE-005": (("ovf:/disk/disk1", "ovf:/file/file1"),),
    "V2V-010": (
        ("InstanceId>3</rasd:InstanceId>", "InstanceID>scsi-0</rasd:InstanceID>"),
        ("<rasd:Parent>3<", "<rasd:Parent>scsi-0<"),
    ),
    "XEN-004": (("<rasd:Connection>LAN</rasd:Connection>", ""),),
}
"""What is put in the place of what fixes of the standard's own rules would mend."""
each_fix = pytest.mark.parametrize(
    "identifier",
    sorted({fix.rule for fix in all_fixes() if fix.check} - NEED_FILES),
)


def example(identifier: str) -> Package:
    package = Package.open(FIXTURES / "profiles" / identifier / "bad.ovf")
    content = package.descriptor.content
    for old, new in OTHERWISE.get(identifier, ()):
        assert old.encode() in content
        content = content.replace(old.encode(), new.encode())
    return package.described_by(content)


@each_fix
def test_a_fix_mends_the_example_in_the_expected_words(identifier: str) -> None:
    package = example(identifier)
    done = mend(package, (target_of(CHECKS[identifier]),))
    lines = [str(repair).replace(f"{package.path.parent}/", "") for repair in done.repairs]
    expected = (FIXTURES / "fixes" / f"{identifier}.expected").read_text().splitlines()
    assert lines == expected
    assert any(f"[{identifier}, " in line for line in expected)


@each_fix
def test_the_importer_takes_what_was_mended(identifier: str) -> None:
    check = CHECKS[identifier]
    target = target_of(check)
    done = mend(example(identifier), (target,))
    left = list(check.findings(done.draft.result(), target))
    assert bool(left) == (identifier in LEFT)
    assert mend(done.draft.result(), (target,)).repairs == ()


def test_a_disk_called_like_a_part_of_the_path_is_numbered() -> None:
    """Every HostResource has a d in it, that of other disks too."""
    package = example("XEN-003")
    content = package.descriptor.content
    for old, new in ((b"disk10", b"e"), (b'"disk1"', b'"d"'), (b"/disk/disk1<", b"/disk/d<")):
        content = content.replace(old, new)
    broken, target = package.described_by(content), target_named("xcp-ng")
    found = [each.message for each in CHECKS["XEN-003"].findings(broken, target)]
    assert found == ["diskId 'e' is taken for 'd'"]
    done = mend(broken, (target,))
    assert [disk.id for disk in done.draft.envelope.disks] == ["disk01", "disk02"]
    assert list(CHECKS["XEN-003"].findings(done.draft.result(), target)) == []
    assert b"<rasd:HostResource>ovf:/disk/disk01</rasd:HostResource>" in done.draft.content


@pytest.mark.parametrize("identifier", sorted(COVERED.keys() - NEED_FILES))
def test_the_fix_of_a_rule_mends_what_an_importer_finds_too(identifier: str) -> None:
    check = CHECKS[identifier]
    target = target_of(check)
    package = example(identifier)
    assert list(check.findings(package, target))
    done = mend(package, (target,))
    assert COVERED[identifier] in {repair.rule for repair in done.repairs}
    assert list(check.findings(done.draft.result(), target)) == []


@each_fix
def test_no_importer_is_mended_for_that_is_not_meant(identifier: str) -> None:
    done = mend(example(identifier))
    assert not {repair.rule for repair in done.repairs} & CHECKS.keys()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_real_descriptors_are_mended_for_several_importers_once_and_for_all() -> None:
    """What one importer needs is not undone by what another does."""
    targets = tuple(map(target_named, ("vmware-esxi-6.0", "virtualbox", "forklift", "xcp-ng")))
    mended: Counter[str] = Counter()
    for path in sorted((CORPUS / "ovf").rglob("*.ovf"))[::3]:
        try:
            done = mend(Package.open(path), targets)
        except InteropError:
            continue
        assert mend(done.draft.result(), targets).repairs == (), path
        mended.update({repair.rule[:3] for repair in done.repairs})
    assert {"VMW", "VBX", "FKL", "XEN"} <= mended.keys()
