"""GRUB, installed into plain files.

The layout is that of GRUB's manual, "BIOS installation": ``boot.img`` is the first sector and loads
``core.img`` from the gap behind it; the offsets in ``boot.img`` are those of GRUB's own header
``include/grub/i386/pc/boot.h``. On a UEFI disk the image is the fallback loader.
"""

from __future__ import annotations

from pathlib import Path

from rehost.errors import EnvironmentFailureError
from rehost.machine import Firmware
from rehost.programs import find, run

GRUB = Path("/usr/lib/grub")
EARLY = Path(__file__).parent / "guest" / "grub-early.cfg"
COMMON = (
    *("part_msdos", "part_gpt", "ext2", "fat", "normal", "configfile", "linux", "echo", "serial"),
    *("terminal", "search", "search_label", "search_fs_uuid", "test", "boot", "reboot", "halt"),
)
PLATFORMS = {
    Firmware.BIOS: ("i386-pc", "grub-pc-bin", ("biosdisk",)),
    Firmware.UEFI: ("x86_64-efi", "grub-efi-amd64-bin", ("all_video", "efi_gop")),
}
SECTOR = 512
BOOT_CODE = 440
DRIVE_CHECK = 0x66
TWO_NOPS = b"\x90\x90"


def image(firmware: Firmware, scratch: Path) -> bytes:
    """Return the GRUB that looks for the appliance's root file system and its menu."""
    platform, package, own_modules = PLATFORMS[firmware]
    _folder_of(platform, package)
    target = scratch / "grub.img"
    argv = [
        *(find("grub-mkimage", package="grub-common"), "-O", platform, "-p", "/boot/grub"),
        *("-c", str(EARLY), "-o", str(target), *COMMON, *own_modules),
    ]
    run(argv, seconds=120)
    return target.read_bytes()


def embed(disk: Path, core: bytes, gap: int) -> None:
    """Write GRUB's first sector and core image onto a disk whose first ``gap`` bytes are free.

    ``boot.img`` and ``core.img`` expect each other at sectors 0 and 1 unless told otherwise. The
    check of the drive number is blanked as GRUB does for every hard disk.
    """
    platform, package, _ = PLATFORMS[Firmware.BIOS]
    code = bytearray((_folder_of(platform, package) / "boot.img").read_bytes()[:BOOT_CODE])
    code[DRIVE_CHECK : DRIVE_CHECK + len(TWO_NOPS)] = TWO_NOPS
    if len(core) > gap - SECTOR:
        raise EnvironmentFailureError(f"GRUB does not fit ({len(core)} bytes, {gap} are free)")
    with disk.open("r+b") as file:
        file.write(code)
        file.seek(SECTOR)
        file.write(core)


def _folder_of(platform: str, package: str) -> Path:
    folder = GRUB / platform
    if not folder.is_dir():
        raise EnvironmentFailureError(
            f"GRUB for {platform} is not installed", hint=f"Install it: apt-get install {package}"
        )
    return folder
