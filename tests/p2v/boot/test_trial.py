"""Real boots of guests of one sector: every verdict that needs no operating system."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from converters.qemu_command import Accelerator
from converters.qemu_storage import CHIPS, Drive
from p2v.boot.trial import boot
from rehost.errors import RefusedError
from rehost.machine import Address, Bus, Controller, ControllerModel, Disk, Firmware, Nic
from rehost.verdict import Cause, Verdict
from tests.p2v.boot.conftest import MACHINE, Boot
from tests.support import boot_sectors
from tests.support.boot_sectors import SAY_ON_SCREEN, saying, sector

pytestmark = pytest.mark.qemu

PANIC = "Kernel panic - not syncing: Fatal exception in interrupt"


def seen(verdict: Verdict) -> tuple[Cause, str]:
    return verdict.cause, verdict.evidence


def test_an_empty_disk_is_no_boot_device_as_the_bios_says_on_the_screen(boot_sector: Boot) -> None:
    verdict = boot_sector()
    assert seen(verdict) == (Cause.NO_BOOT_DEVICE, "No bootable device.")
    assert not verdict.booted
    assert verdict.accelerator == "tcg"
    assert 0 < verdict.seconds < 30


def test_an_empty_disk_under_uefi_ends_in_the_firmware_shell(boot_sector: Boot) -> None:
    machine = replace(MACHINE, firmware=Firmware.UEFI, memory=256 << 20)
    verdict = boot_sector(machine=machine, timeout=120.0)
    assert seen(verdict) == (Cause.NO_BOOT_DEVICE, "UEFI Interactive Shell v2.2")


def test_a_login_prompt_on_the_serial_line_means_booted(boot_sector: Boot) -> None:
    verdict = boot_sector(saying("Debian GNU/Linux 12 web ttyS0\r\n\r\nweb login: "))
    assert seen(verdict) == (Cause.BOOTED, "web login:")
    assert verdict.booted


def test_a_login_prompt_on_the_screen_means_booted(boot_sector: Boot) -> None:
    verdict = boot_sector(saying("web login: ", on=SAY_ON_SCREEN))
    assert seen(verdict) == (Cause.BOOTED, "web login:")


def test_a_boot_loader_shell_is_seen_on_the_screen(boot_sector: Boot) -> None:
    text = "error: unknown filesystem.\r\nEntering rescue mode...\r\ngrub rescue> "
    verdict = boot_sector(saying(text, on=SAY_ON_SCREEN))
    assert seen(verdict) == (Cause.BOOT_LOADER_SHELL, "grub rescue>")


def test_a_kernel_panic_is_heard_through_colours(boot_sector: Boot) -> None:
    verdict = boot_sector(saying(f"\x1b[1;31m[    2.345678] {PANIC}\x1b[0m\r\n"))
    assert seen(verdict) == (Cause.KERNEL_PANIC, f"[ 2.345678] {PANIC}")


def test_a_panic_for_want_of_a_root_is_a_missing_root(boot_sector: Boot) -> None:
    line = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
    assert seen(boot_sector(saying(f"{line}\r\n"))) == (Cause.NO_ROOT_FILE_SYSTEM, line)


def test_expected_words_end_the_boot_and_a_login_does_not(boot_sector: Boot) -> None:
    expect = re.compile(r"^REHOST-MARKER booted")
    verdict = boot_sector(saying("REHOST-MARKER booted as bios\r\n"), expect=expect)
    assert seen(verdict) == (Cause.BOOTED, "REHOST-MARKER booted as bios")


def test_without_the_expected_words_a_login_is_not_enough(boot_sector: Boot) -> None:
    verdict = boot_sector(saying("web login: "), expect=re.compile("never said"), timeout=5.0)
    assert seen(verdict) == (Cause.TIMEOUT, "web login:")


def test_a_guest_that_hangs_with_text_on_the_screen_is_a_time_out(boot_sector: Boot) -> None:
    verdict = boot_sector(saying("Loading Linux ...", on=SAY_ON_SCREEN), timeout=4.0)
    assert seen(verdict) == (Cause.TIMEOUT, "Loading Linux ...")


def test_a_cleared_text_screen_is_nothing(boot_sector: Boot) -> None:
    verdict = boot_sector(sector(boot_sectors.CLEAR_TEXT), timeout=4.0)
    expected = "the screen stayed empty, and so did the serial line"
    assert seen(verdict) == (Cause.NOTHING_ON_SCREEN, expected)


def test_a_picture_of_one_colour_is_nothing(boot_sector: Boot) -> None:
    verdict = boot_sector(sector(boot_sectors.GRAPHICS), timeout=4.0)
    expected = "the screen stayed empty, and so did the serial line"
    assert seen(verdict) == (Cause.NOTHING_ON_SCREEN, expected)


def test_a_picture_with_one_point_in_it_is_a_time_out(boot_sector: Boot) -> None:
    verdict = boot_sector(sector(boot_sectors.GRAPHICS + boot_sectors.ONE_POINT), timeout=4.0)
    assert seen(verdict) == (Cause.TIMEOUT, "the screen shows a picture, which is not read")


def test_a_guest_that_switches_itself_off_is_told_apart(boot_sector: Boot) -> None:
    verdict = boot_sector(sector(boot_sectors.POWER_OFF))
    assert seen(verdict) == (Cause.POWERED_OFF, "the machine switched itself off")


def test_what_was_said_before_switching_off_counts(boot_sector: Boot) -> None:
    text = "web login: \r\n"
    verdict = boot_sector(saying(text, then=boot_sectors.POWER_OFF))
    assert seen(verdict) == (Cause.BOOTED, "web login:")


def test_a_qemu_that_refuses_its_disk_has_failed_in_its_own_words(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    image.write_bytes(b"no qcow2")
    drive = Drive(str(image), "qcow2")
    verdict = boot(MACHINE, [drive], evidence=tmp_path / "kept", timeout=30, wish=Accelerator.TCG)
    expected = (
        "qemu-system-x86_64: -drive if=none,id=disk0,driver=qcow2,file.driver=file,"
        f"file.filename={image},snapshot=on: Image is not in qcow2 format"
    )
    assert seen(verdict) == (Cause.EMULATOR_FAILED, expected[-200:].strip())
    assert verdict.screenshot is None


def test_the_evidence_is_the_log_the_screen_and_the_command(
    boot_sector: Boot, tmp_path: Path
) -> None:
    verdict = boot_sector(saying("web login: "))
    kept = tmp_path / "evidence"
    assert sorted(path.name for path in kept.iterdir()) == [
        "command.txt",
        "screen.png",
        "serial.log",
    ]
    assert verdict.serial_log == kept / "serial.log"
    assert verdict.serial_log.read_bytes() == b"web login: "
    assert verdict.screenshot == kept / "screen.png"
    assert verdict.screenshot.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    command = shlex.split((kept / "command.txt").read_text())
    assert command[:5] == ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max"]


def test_evidence_is_replaced_only_when_asked(boot_sector: Boot, tmp_path: Path) -> None:
    kept = tmp_path / "evidence"
    kept.mkdir()
    (kept / "serial.log").write_text("of last week")
    with pytest.raises(RefusedError) as refused:
        boot_sector(saying("web login: "))
    assert str(refused.value) == f"{kept}/serial.log: exists already"
    assert boot_sector(saying("web login: "), force=True).booted
    assert (kept / "serial.log").read_text() == "web login: "


def test_nothing_is_written_to_the_disk_even_by_a_guest_that_writes(
    boot_sector: Boot, tmp_path: Path
) -> None:
    # mov ax, 301h; mov cx, 2; mov dx, 80h; xor bx, bx; mov es, bx; mov bx, 7c00h; int 13h
    write = b"\xb8\x01\x03\xb9\x02\x00\xba\x80\x00\x31\xdb\x8e\xc3\xbb\x00\x7c\xcd\x13"
    said = b"\xb0\x21" + boot_sectors.SAY_ON_SERIAL  # mov al, "!"
    told = b"\x73\x02\xeb\xfe" + said  # jnc over; hang when the write failed
    code = sector(write + told)
    before = hashlib.sha256(code.ljust(boot_sectors.DISK_SIZE, b"\0")).hexdigest()
    verdict = boot_sector(code, expect=re.compile("!"), timeout=10.0)
    disk = tmp_path / "disk.raw"
    assert verdict.booted
    assert hashlib.sha256(disk.read_bytes()).hexdigest() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.raw", "evidence"]


def test_a_disk_without_write_permission_is_booted(boot_sector: Boot, tmp_path: Path) -> None:
    disk = boot_sectors.disk(tmp_path / "only-read.raw", saying("web login: "))
    disk.chmod(0o444)
    modified = disk.stat().st_mtime_ns
    verdict = boot(
        MACHINE,
        [Drive(str(disk))],
        evidence=tmp_path / "kept",
        timeout=30,
        wish=Accelerator.TCG,
    )
    assert verdict.booted
    assert disk.stat().st_mtime_ns == modified


PLACES = [
    pytest.param(bus, model, id=f"{bus}-{model or 'any'}")
    for bus, chips in CHIPS.items()
    for model in chips
    if bus is not Bus.FLOPPY
]


@pytest.mark.parametrize("board", ["pc", "q35"])
@pytest.mark.parametrize(("bus", "model"), PLACES)
def test_a_machine_boots_from_a_disk_on_each_controller(
    boot_sector: Boot, bus: Bus, model: ControllerModel | None, board: str
) -> None:
    machine = replace(
        MACHINE,
        machine_type=board,
        controllers=(Controller(bus, 0, model),),
        disks=(Disk(address=Address(bus, 0, 0), serial="S,1"),),
        nics=(Nic(),),
    )
    verdict = boot_sector(saying("up\r\n"), machine=machine, expect=re.compile("up"))
    assert seen(verdict) == (Cause.BOOTED, "up")


def test_the_first_disk_of_the_machine_is_the_one_that_boots(tmp_path: Path) -> None:
    second = Drive(str(boot_sectors.disk(tmp_path / "second.raw", saying("second\r\n"))))
    first = Drive(str(boot_sectors.disk(tmp_path / "first.raw", saying("first\r\n"))))
    machine = replace(
        MACHINE,
        disks=(Disk(address=Address(Bus.SATA, 0, 3)), Disk(address=Address(Bus.SATA, 0, 0))),
    )
    verdict = boot(
        machine,
        [first, second],
        evidence=tmp_path / "kept",
        timeout=30,
        expect=re.compile("first|second"),
        wish=Accelerator.TCG,
    )
    assert verdict.evidence == "first"


def test_a_flood_on_the_serial_line_is_survived(boot_sector: Boot, tmp_path: Path) -> None:
    flood = b"\xba\xf8\x03\xb0\x41" + b"\xee" * 64 + b"\xeb\xbe"  # out dx, al, again and again
    verdict = boot_sector(sector(flood), timeout=5.0)
    assert verdict.cause is Cause.TIMEOUT
    assert verdict.evidence == "A" * 200
    assert set((tmp_path / "evidence" / "serial.log").read_bytes()) == set(b"A")


def test_a_blank_disk_needs_no_file(tmp_path: Path) -> None:
    machine = replace(MACHINE, disks=(Disk(size=1 << 30),))
    verdict = boot(machine, [None], evidence=tmp_path / "kept", timeout=30, wish=Accelerator.TCG)
    assert verdict.cause is Cause.NO_BOOT_DEVICE
