"""Build an appliance and print where it is: ``python -m tests.support.appliance vmware bios``."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from rehost.errors import InteropError
from rehost.machine import Firmware
from tests.support.appliance import build_ova


def main() -> int:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(prog="appliance", description="Build a bootable test OVA.")
    parser.add_argument("style", choices=("vmware", "virtualbox"))
    parser.add_argument("firmware", choices=[each.value for each in Firmware])
    parser.add_argument("--disks", type=int, choices=(1, 2), default=1)
    parser.add_argument("--nics", type=int, choices=(0, 1, 2), default=1)
    parser.add_argument("-o", "--output", type=Path, help="copy the OVA there")
    chosen = parser.parse_args()
    try:
        path = build_ova(
            chosen.style, Firmware(chosen.firmware), disks=chosen.disks, nics=chosen.nics
        )
    except InteropError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error}{hint}\n")
        return error.exit_code
    if chosen.output:
        path = Path(shutil.copyfile(path, chosen.output))
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
