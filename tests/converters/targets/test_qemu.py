"""The script of the ``qemu`` target: read by shellcheck, run by sh, booted by QEMU."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from converters.targets.qemu import TARGET
from rehost.machine import (
    Disk,
    Firmware,
    Machine,
    MediaKind,
    Nic,
    Origin,
    Removable,
    Serial,
)
from tests.support import boot_sectors
from tests.support.boot_sectors import POWER_OFF, saying

MACHINE = Machine(
    "web $(id) 'a', \"b\"",
    Origin("test", "test"),
    memory=64 << 20,
    disks=(Disk(file="a disk, 1.raw", format="raw"), Disk(size=1 << 20)),
    removables=(Removable(MediaKind.CDROM, file="cd.iso"), Removable(MediaKind.FLOPPY)),
    nics=(Nic(),),
    serials=(Serial(), Serial()),
)
UEFI = replace(MACHINE, firmware=Firmware.UEFI)
SECURE = replace(UEFI, secure_boot=True)


def written(machine: Machine, folder: Path) -> Path:
    """Write the machine's script and files into a folder with an awkward name."""
    folder = folder / "vm, 1's"
    folder.mkdir()
    (document,) = TARGET.documents(machine, folder)
    assert document.executable
    script = folder / document.name
    script.write_text(document.content)
    script.chmod(0o755)
    text = "UP\r\n"
    boot_sectors.disk(folder / "a disk, 1.raw", saying(text, then=POWER_OFF))
    (folder / "cd.iso").write_bytes(bytes(4096))
    return script


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments],
        cwd="/",
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("machine", [MACHINE, UEFI, SECURE], ids=["bios", "uefi", "secure"])
def test_shellcheck_has_nothing_to_say(tmp_path: Path, machine: Machine) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    script = written(machine, tmp_path)
    checked = subprocess.run(
        ["shellcheck", "--shell=sh", script], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.qemu
def test_the_script_boots_the_machine_from_any_folder(tmp_path: Path) -> None:
    script = written(MACHINE, tmp_path)
    done = run(script, "-display", "none")
    assert (done.returncode, done.stdout) == (0, "UP\n")
    assert sorted(path.name for path in script.parent.iterdir()) == [
        "a disk, 1.raw",
        "cd.iso",
        "web-id-a-b-disk1.qcow2",
        "web-id-a-b.sh",
    ]


@pytest.mark.qemu
def test_the_uefi_variables_are_made_once_and_kept(tmp_path: Path) -> None:
    script = written(UEFI, tmp_path)
    variables = script.with_name("web-id-a-b_VARS.fd")
    quick = ("-display", "none", "-S", "-daemonize", "-pidfile", str(tmp_path / "pid"))
    done = run(script, *quick, "-serial", "none", QEMU=str(fake(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")
    template = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
    assert variables.read_bytes() == template.read_bytes()
    variables.write_bytes(b"mine")
    assert run(script, QEMU=str(fake(tmp_path))).returncode == 0
    assert variables.read_bytes() == b"mine"


def fake(folder: Path, probe_ends_with: int = 1) -> Path:
    """Write a program that stands where QEMU does and prints the arguments it gets."""
    path = folder / "qemu"
    path.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *isa-debug-exit*) exit {probe_ends_with} ;; esac\n'
        'for word in "$@"; do printf "%s\\n" "$word"; done\n'
    )
    path.chmod(0o755)
    return path


def test_every_word_reaches_qemu_as_it_is(tmp_path: Path) -> None:
    script = written(UEFI, tmp_path)
    code = tmp_path / "code, 1.fd"
    code.write_bytes(b"")
    done = run(
        script,
        "-device",
        "a b",
        QEMU=str(fake(tmp_path)),
        OVMF_CODE=str(code),
        OVMF_VARS=str(code),
    )
    assert done.stdout.splitlines() == [
        *["-nodefaults", "-no-user-config", "-name", "guest=web $(id) 'a',, \"b\""],
        *["-machine", "q35", "-m", "64M", "-smp", "1", "-boot", "strict=on", "-drive"],
        "if=pflash,unit=0,readonly=on,driver=raw,file.driver=file,file.filename="
        + str(code).replace(",", ",,"),
        "-drive",
        "if=pflash,unit=1,driver=raw,file.driver=file,file.filename=./web-id-a-b_VARS.fd",
        *["-device", "isa-fdc,id=floppy0", "-drive"],
        "if=none,id=disk0,driver=raw,file.driver=file,file.filename=./a disk,, 1.raw",
        *["-device", "ide-hd,bus=ide.0,id=disk0-device,drive=disk0,bootindex=0", "-drive"],
        "if=none,id=disk1,driver=qcow2,file.driver=file,file.filename=./web-id-a-b-disk1.qcow2",
        *["-device", "ide-hd,bus=ide.1,id=disk1-device,drive=disk1,bootindex=1", "-drive"],
        "if=none,id=cdrom0,driver=raw,file.driver=file,file.filename=./cd.iso,"
        "media=cdrom,readonly=on",
        *["-device", "ide-cd,bus=ide.2,id=cdrom0-device,drive=cdrom0,bootindex=2"],
        *["-global", "isa-fdc.bootindexA=3", "-device", "floppy,unit=0,id=floppy0-device"],
        *["-netdev", "user,id=net0", "-device", "e1000,id=nic0,netdev=net0,romfile="],
        *["-vga", "std", "-serial", "stdio", "-serial", "null"],
        *["-accel", "tcg", "-cpu", "max", "-device", "a b"],
    ]


def test_kvm_is_used_where_the_probe_runs(tmp_path: Path) -> None:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("there is no /dev/kvm")
    done = run(written(MACHINE, tmp_path), QEMU=str(fake(tmp_path, probe_ends_with=85)))
    assert done.stdout.splitlines()[-4:] == ["-accel", "kvm", "-cpu", "host"]


def test_a_host_without_firmware_is_told_what_to_do(tmp_path: Path) -> None:
    script = written(UEFI, tmp_path)
    script.write_text(script.read_text().replace("/usr/share/", "/nowhere/"))
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (
        5,
        "",
        "no UEFI firmware found: install ovmf, or set OVMF_CODE and OVMF_VARS\n",
    )


def test_the_same_machine_gives_the_same_script(tmp_path: Path) -> None:
    assert TARGET.documents(SECURE, tmp_path) == TARGET.documents(SECURE, tmp_path / "other")
