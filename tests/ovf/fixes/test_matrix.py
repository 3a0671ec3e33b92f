"""What five producers write, mended for every importer: what is left needs a decision.

``left.expected`` has a line for each producer and importer: what the importer still minds, each
with why no fix is for it, or that it takes the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ovf.judging.explain import all_judged_by, mending
from ovf.judging.targets import Prospect, all_targets, prospect
from ovf.mending.output import mended, write
from ovf.package import Package
from rehost.machine import Firmware
from rehost.progress import SILENT
from tests.ovf.builders import FIXTURES, pack
from tests.support.appliance.hardware import Hardware, PackedDisk
from tests.support.appliance.virtualbox import descriptor
from tests.support.producers import SIZE, by_hand, by_qemu, ovirt, stream, xencenter

EXPECTED = FIXTURES / "fixes" / "left.expected"
NAMED = reversed(all_targets().values())
TARGETS = {(target.profile.name, target.number): target for target in NAMED}.values()
"""Every importer in every release, each once."""
OTHER_DISK = {"AWS-001", "NTX-001", "VBX-015", "VMW-034", "XEN-007", "XOA-007"}
"""What is mended where a disk is only called wrong, not where it is in another format."""
CHOICE = {"GCP-005", "VMW-007"}
"""What is mended where nothing has to be chosen: a place among several, another model."""
RULES = {rule.id: rule for rule in all_judged_by()}


def virtualbox(folder: Path, disk: Path) -> Path:
    image = stream(disk, folder / "web-disk001.vmdk")
    uuid = "0d3a4c58-5b0e-4a39-8a2d-3c9f6a1b2c3d"
    packed = PackedDisk(image.name, image.stat().st_size, SIZE, uuid=uuid)
    text = descriptor(Hardware("web", Firmware.BIOS, "ahci", (packed,), 1))
    return pack(folder / "web.ova", {"web.ovf": text.encode(), image.name: image.read_bytes()})


MAKERS: dict[str, Callable[[Path, Path], Path]] = {
    "by-hand": by_hand,
    "by-qemu": by_qemu,
    "ovirt": ovirt,
    "virtualbox": virtualbox,
    "xencenter": xencenter,
}


@pytest.fixture(scope="module", params=MAKERS)
def left(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[Prospect]]:
    """Return a producer's name, and what each importer makes of its mended package."""
    folder = tmp_path_factory.mktemp(request.param)
    disk = folder / "disk.raw"
    disk.write_bytes(b"guest" * 1000 + bytes(SIZE - 5000))
    source = MAKERS[request.param](folder, disk)
    return request.param, list(_prospects(source, folder))


def _prospects(source: Path, folder: Path) -> Iterator[Prospect]:
    for target in TARGETS:
        dest = folder / target.name / "mended.ova"
        dest.parent.mkdir()
        done = mended(source, dest, (target,), SILENT)
        write(done, dest, (target,), force=False, progress=SILENT)
        yield prospect(Package.open(dest), target)


def test_what_is_left_is_known(left: tuple[str, list[Prospect]]) -> None:
    producer, prospects = left
    lines = []
    for each in prospects:
        rules = ", ".join(sorted({finding.rule for finding in each.findings}))
        lines.append(f"{producer} {each.target.name}: {rules or each.outcome.value}")
    expected = EXPECTED.read_text().splitlines()
    assert lines == [line for line in expected if line.startswith(f"{producer} ")]


def test_what_is_left_needs_a_decision_and_says_which(left: tuple[str, list[Prospect]]) -> None:
    producer, prospects = left
    for each in prospects:
        for finding in each.findings:
            assert finding.hint
            if mending(RULES[finding.rule]):
                assert producer in {"ovirt", "xencenter"}
                assert finding.rule in OTHER_DISK | CHOICE, finding
