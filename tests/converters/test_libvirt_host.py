"""What ``rehost convert --to libvirt`` writes comes up in a libvirtd of this computer, as it is."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.machine import Firmware
from tests.support.appliance import build_ova
from tests.support.packages import rehost

URI = "qemu:///system"
SOCKET = Path("/var/run/libvirt/libvirt-sock")
SECONDS = 240
MARKER = re.compile(rb"REHOST-MARKER[^\r\n]*(?=[\r\n])")
WITHOUT_KVM = "test -e /dev/kvm && mount --bind /dev/null /dev/kvm; exec libvirtd"
"""A KVM that hangs costs libvirt more than a minute to find out, so it gets none to try."""

DAEMONS = (("virtlogd",), ("unshare", "--mount", "sh", "-c", WITHOUT_KVM))


def virsh(*words: str | Path) -> str:
    """Run virsh against the system's libvirtd; its complaint ends the test."""
    argv = ["virsh", "-q", "-c", URI, *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def _libvirtd() -> Iterator[None]:
    """Have a libvirtd with its default network; end what was started here."""
    if os.geteuid() != 0:
        pytest.skip("only root can run the system's libvirtd")
    started = [] if SOCKET.exists() else [subprocess.Popen(argv) for argv in DAEMONS]
    deadline = time.monotonic() + 60
    while not SOCKET.exists():
        assert time.monotonic() < deadline, "libvirtd did not start"
        time.sleep(0.1)
    active = virsh("net-list", "--name").split()
    if "default" not in active:
        virsh("net-start", "default")
    yield
    if "default" not in active:
        virsh("net-destroy", "default")
    for process in reversed(started):
        process.terminate()
        process.wait(60)


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that libvirt's own user can enter, too."""
    folder = Path(tempfile.mkdtemp(prefix="rehost-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def marker(name: str) -> str:
    """Listen to the console of a domain until the appliance says that it is up."""
    ours, theirs = pty.openpty()
    argv = ["virsh", "-c", URI, "console", name, "--force"]
    heard, deadline = b"", time.monotonic() + SECONDS
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as console:
        while not (found := MARKER.search(heard)) and time.monotonic() < deadline:
            if select.select([ours], [], [], 1.0)[0]:
                heard += os.read(ours, 1 << 16)
        console.kill()
    os.close(ours)
    os.close(theirs)
    return found[0].decode() if found else ""


@pytest.mark.qemu
@pytest.mark.root
@pytest.mark.parametrize("firmware", list(Firmware))
def test_virsh_defines_and_starts_what_was_converted(place: Path, firmware: Firmware) -> None:
    source = build_ova("vmware", firmware, disks=2, nics=2)
    said = rehost("convert", source, "--to", "libvirt", "-o", place / "out")
    assert (said.code, said.err) == (0, "")
    [document] = (place / "out").glob("*.xml")
    name = document.stem
    virsh("define", "--validate", document)
    try:
        virsh("start", name)
        assert virsh("domstate", name) == "running"
        seen = marker(name)
        virsh("destroy", name)
    finally:
        virsh("undefine", "--nvram", name)
    pattern = (
        rf"REHOST-MARKER booted firmware={firmware} memory=512MiB cpus=1 "
        r"disks=sd[ab]:268435456,sd[ab]:67108864 nics=eth0:52:54:00\S+,eth1:52:54:00\S+ "
        r"data=sd[ab]:rehost-data-disk"
    )
    assert re.fullmatch(pattern, seen), seen
