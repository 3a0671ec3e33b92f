"""Packages as five producers write them, mended for an importer: it takes them, and they boot.

The disks are written by qemu-img: streams with zeros behind their markers, a VHD, a qcow2 image.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.qemu_command import Accelerator
from converters.sources import open_source
from p2v.boot.sources import machines_in
from p2v.boot.trial import boot
from rehost.machine import Firmware
from rehost.verdict import Cause
from tests.support.appliance import build_disk, build_ova
from tests.support.appliance.ova import manifest_text, write_tar
from tests.support.packages import rehost
from tests.support.producers import by_hand, by_qemu, ovirt, stream, xencenter

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

MARKER = re.compile("^REHOST-MARKER booted", re.MULTILINE)
SECONDS = 240.0


def virtualbox(folder: Path, disk: Path) -> Path:
    """Return VirtualBox's package with the disk as qemu-img writes it, and a manifest of SHA1."""
    with tarfile.open(build_ova("virtualbox", Firmware.BIOS)) as archive:
        archive.extractall(folder, filter="data")
    descriptor, image = next(folder.glob("*.ovf")), next(folder.glob("*.vmdk"))
    stream(disk, image)
    files = [(each.name, each) for each in (descriptor, image)]
    manifest = manifest_text(files, algorithm="SHA1", spelling="virtualbox").encode()
    return write_tar(folder / "vbox.ova", [*files, (f"{descriptor.stem}.mf", manifest)])


@pytest.mark.parametrize(
    ("make", "target", "rules"),
    [
        (virtualbox, "vmware-esxi-8", {"VMW-001", "DSK-014", "ITM-007", "MAN-008"}),
        (xencenter, "xcp-ng", {"XEN-002", "XEN-005", "REF-003", "REF-006", "VHS-008"}),
        (by_qemu, "proxmox", {"PVE-007", "EXT-001", "NET-001", "BND-001", "PKG-006", "PRD-014"}),
        (ovirt, "ovirt", {"ENV-002", "PKG-011", "ITM-011"}),
        (by_hand, "virt-v2v", {"V2V-003", "V2V-004", "DSK-004", "DSK-014", "PKG-012", "PKG-011"}),
    ],
    ids=["virtualbox", "xencenter", "by-qemu", "ovirt", "by-hand"],
)
def test_what_was_mended_is_taken_and_boots(
    tmp_path: Path, make: Callable[[Path, Path], Path], target: str, rules: set[str]
) -> None:
    source, dest = make(tmp_path, build_disk(Firmware.BIOS)), tmp_path / "mended.ova"
    done = rehost("validate", source, "--target", target, "--fix", dest)
    lines = done.out.split("\n\n")[0].splitlines()
    told = {line.rpartition("[")[2].rstrip("]").partition(",")[0] for line in lines}
    assert rules <= told
    again = rehost("validate", dest, "--target", target)
    assert (done.code, again.code, again.err) == (0, 0, "")
    assert f"{target}.0 will import" in again.out or f"{target} will import" in again.out
    (found,) = machines_in(open_source(dest))
    verdict = boot(
        found.machine,
        found.disks,
        media=found.media,
        evidence=tmp_path / "evidence",
        timeout=SECONDS,
        expect=MARKER,
        wish=Accelerator.TCG,
    )
    assert verdict.cause is Cause.BOOTED
    size = 1 << 30 if make is ovirt else 268435456
    assert re.search(rf" disks=[sv]da:{size}\b", str(verdict.evidence))
