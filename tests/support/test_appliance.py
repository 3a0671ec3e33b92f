"""The appliance is what it says: other people's programs read it, and it boots."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from rehost.errors import EnvironmentFailureError
from rehost.machine import Firmware
from tests.support.appliance import (
    CACHE,
    DATA_TEXT,
    Recipe,
    build_data_disk,
    build_disk,
    build_ova,
)
from tests.support.appliance.emulator import BUSES, boot
from tests.support.appliance.pack import Style

MIB = 1 << 20
every_firmware = pytest.mark.parametrize("firmware", list(Firmware))
every_style = pytest.mark.parametrize("style", ["vmware", "virtualbox"])
SECOND_HALF = (
    *("-drive", "file={data},format=raw,if=none,id=data", "-device", "ide-hd,drive=data,bus=ide.1"),
    *("-nic", "user,model=e1000,mac=52:54:00:00:00:01"),
    *("-nic", "user,model=vmxnet3,mac=52:54:00:00:00:02"),
    *("-smp", "2"),
)


def said_by(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout


def marker_in(serial: str) -> str:
    (line,) = [line for line in serial.splitlines() if line.startswith("REHOST-MARKER")]
    return line


@every_firmware
def test_a_disk_takes_little_space(firmware: Firmware) -> None:
    disk = build_disk(firmware)
    assert disk.stat().st_size == 256 * MIB
    assert disk.stat().st_blocks * 512 < 60 * MIB


def test_the_bios_disk_has_one_bootable_linux_partition() -> None:
    table = said_by("sfdisk", "--dump", str(build_disk(Firmware.BIOS)))
    assert "label: dos" in table
    assert table.count("type=") == 1
    assert "start=        2048, size=      522240, type=83, bootable" in table


def test_the_uefi_disk_has_a_system_partition_and_a_linux_partition() -> None:
    disk = build_disk(Firmware.UEFI)
    assert "No errors detected." in said_by("sfdisk", "--verify", str(disk))
    types = [line.split("type=")[1].split(",")[0] for line in _partitions(disk)]
    assert types == ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"]
    assert "BOOTX64  EFI" in said_by("mdir", "-i", f"{disk}@@1M", "::EFI/BOOT")


def _partitions(disk: Path) -> list[str]:
    return [line for line in said_by("sfdisk", "--dump", str(disk)).splitlines() if "type=" in line]


@pytest.mark.parametrize(("firmware", "offset"), [(Firmware.BIOS, MIB), (Firmware.UEFI, 17 * MIB)])
def test_the_root_file_system_is_clean(firmware: Firmware, offset: int, tmp_path: Path) -> None:
    part = tmp_path / "root.img"
    with build_disk(firmware).open("rb") as disk:
        disk.seek(offset)
        part.write_bytes(disk.read())
    assert "rehost-root: clean" in said_by("e2fsck", "-n", str(part))
    assert said_by("debugfs", "-R", "cat /etc/hostname", str(part)) == "rehost\n"


def test_the_data_disk_holds_the_known_file() -> None:
    disk = build_data_disk()
    assert said_by("debugfs", "-R", "cat /known.txt", str(disk)) == f"{DATA_TEXT}\n"
    assert said_by("e2label", str(disk)) == "data\n"


@every_firmware
def test_the_same_inputs_make_the_same_bytes(firmware: Firmware, tmp_path: Path) -> None:
    for downloads in ("kernel", "busybox"):
        build_disk(firmware)
        (tmp_path / downloads).symlink_to(CACHE / downloads)
    subprocess.run(["cmp", build_disk(firmware), build_disk(firmware, tmp_path)], check=True)


@every_style
@every_firmware
def test_qemu_img_reads_from_each_vmdk_what_went_into_it(
    style: Style, firmware: Firmware, tmp_path: Path
) -> None:
    with tarfile.open(build_ova(style, firmware, disks=2)) as archive:
        archive.extractall(tmp_path, filter="data")
    vmdks = sorted(tmp_path.glob("*.vmdk"))
    for vmdk, raw in zip(vmdks, (build_disk(firmware), build_data_disk()), strict=True):
        said = said_by("qemu-img", "compare", "-f", "vmdk", "-F", "raw", str(vmdk), str(raw))
        assert said == "Images are identical.\n"
        assert "No errors were found" in said_by("qemu-img", "check", "-f", "vmdk", str(vmdk))
        assert "Disk type:\t\t\tStream optimized" in said_by("vmdkinfo", str(vmdk))


@pytest.mark.qemu
@pytest.mark.parametrize("bus", list(BUSES))
def test_the_bios_disk_boots_on_every_bus(bus: str) -> None:
    serial = boot(build_disk(Firmware.BIOS), "-nic", "none", bus=bus)
    name = {"virtio": "vda", "nvme": "nvme0n1"}.get(bus, "sda")
    assert marker_in(serial) == (
        f"REHOST-MARKER booted firmware=bios memory=512MiB cpus=1 disks={name}:268435456 nics="
        " data=none"
    )


@pytest.mark.qemu
@every_firmware
def test_the_marker_names_all_disks_nics_and_the_firmware(firmware: Firmware) -> None:
    hardware = [part.format(data=build_data_disk()) for part in SECOND_HALF]
    serial = boot(build_disk(firmware), *hardware, firmware=firmware)
    assert re.sub(r"\bsd[ab]:", "sd?:", marker_in(serial)) == (
        f"REHOST-MARKER booted firmware={firmware} memory=512MiB cpus=2"
        " disks=sd?:268435456,sd?:67108864"
        " nics=eth0:52:54:00:00:00:01:e1000,eth1:52:54:00:00:00:02:vmxnet3"
        f" data=sd?:{DATA_TEXT}"
    )


@pytest.mark.qemu
def test_the_power_button_turns_the_guest_off() -> None:
    assert "reboot: Power down" in boot(build_disk(Firmware.BIOS), power_button=True)


@pytest.mark.qemu
def test_a_guest_without_the_bus_driver_finds_no_root_file_system() -> None:
    narrow = build_disk(Recipe(Firmware.BIOS, drivers=("ata_piix",)))
    assert "REHOST-MARKER" in boot(narrow, bus="ide")
    serial = boot(narrow, bus="pvscsi", until="(initramfs)")
    assert "ALERT!  LABEL=rehost-root does not exist.  Dropping to a shell!" in serial


@pytest.mark.qemu
def test_a_guest_told_a_device_name_boots_only_where_the_disk_has_it() -> None:
    named = build_disk(Recipe(Firmware.BIOS, root="/dev/sda1"))
    assert "REHOST-MARKER" in boot(named, bus="ide")
    serial = boot(named, bus="virtio", until="(initramfs)")
    assert "ALERT!  /dev/sda1 does not exist.  Dropping to a shell!" in serial


@pytest.mark.qemu
def test_a_machine_that_stops_is_reported_with_its_own_words(tmp_path: Path) -> None:
    blank = tmp_path / "blank.img"
    blank.write_bytes(bytes(MIB))
    with pytest.raises(EnvironmentFailureError, match="no-such-device"):
        boot(blank, "-device", "no-such-device")
