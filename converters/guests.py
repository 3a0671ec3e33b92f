"""What the guest inside means for the hardware around it: its clock and the drivers it may have.

Numbers are those of CIM_OperatingSystem.OSType; names those of VMware's guestOS and VirtualBox's
OSType, compared without regard to case.
"""

from __future__ import annotations

from rehost.machine import GuestOs

WINDOWS_NUMBERS = frozenset(
    {*range(15, 20), 58, 63, 67, *range(69, 78), 103, 105, *range(111, 124)}
)
WINDOWS_NAMES = ("win", "whistler", "longhorn", "nt4")

OLD_NUMBERS = frozenset(
    {12, 14, 15, 16, 17, 18, 21, 25, 26, 58, 63, 67, 69, 70, 71, 72, 97, 98, 110}
)
OLD_NAMES = (
    "dos", "os2", "ecomstation", "netware", "openserver", "unixware", "other24x", "linux22",
    "linux24", "redhatguest", "rhel2", "rhel3", "win3", "win9", "winme", "winnt", "nt4", "win2000",
    "winxp", "whistler", "winnet", "windows31", "windows95", "windows98", "windowsme", "windowsnt",
    "windows2000", "windowsxp", "windows2003",
)  # fmt: skip


def is_windows(guest: GuestOs | None) -> bool:
    """Say whether the guest is some Windows, whose hardware clock shows local time."""
    if guest is None:
        return False
    return (
        guest.cim in WINDOWS_NUMBERS
        or _named(guest, WINDOWS_NAMES)
        or "windows" in (guest.name or "").lower()
    )


def is_old(guest: GuestOs | None) -> bool:
    """Say whether the guest is older than AHCI: Windows before Vista, Linux 2.4, DOS."""
    return guest is not None and (guest.cim in OLD_NUMBERS or _named(guest, OLD_NAMES))


def _named(guest: GuestOs, prefixes: tuple[str, ...]) -> bool:
    names = (guest.vmware, guest.virtualbox)
    return any(name is not None and name.lower().startswith(prefixes) for name in names)
