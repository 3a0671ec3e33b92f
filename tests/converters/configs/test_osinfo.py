"""Guest systems by libosinfo's names."""

from __future__ import annotations

import pytest

from converters.configs.osinfo import guest_of, osinfo_of
from rehost.machine import GuestOs


@pytest.mark.parametrize(
    ("guest", "short"),
    [
        (GuestOs(vmware="debian12_64Guest"), "debian.org/debian/12"),
        (GuestOs(vmware="WINDOWS9_64GUEST"), "microsoft.com/win/10"),
        (GuestOs(vmware="nonsense", cim=115), "microsoft.com/win/2k12r2"),
        (GuestOs(cim=96, version="11"), "debian.org/debian/11"),
        (GuestOs(cim=80), "redhat.com/rhel/unknown"),
        (GuestOs(cim=80, version="8.4"), "redhat.com/rhel/8.0"),
        (GuestOs(cim=101), "libosinfo.org/linux/2022"),
    ],
)
def test_a_guest_has_a_name_at_libosinfo(guest: GuestOs, short: str) -> None:
    assert osinfo_of(guest) == f"http://{short}"


@pytest.mark.parametrize("guest", [GuestOs(), GuestOs(name="BeOS"), GuestOs(cim=1)])
def test_an_unknown_guest_has_none(guest: GuestOs) -> None:
    assert osinfo_of(guest) is None


def test_the_processor_decides_between_the_others_names() -> None:
    known = "http://microsoft.com/win/10"
    assert guest_of(known, wide=True) == GuestOs(known, 120, "windows9_64Guest")
    assert guest_of(known, wide=False) == GuestOs(known, 119, "windows9Guest")
    dos = "http://microsoft.com/msdos/6.22"
    assert guest_of(dos, wide=True) == GuestOs(dos, 14, "dosGuest")
    assert guest_of("http://haiku-os.org/haiku/r1", wide=True) == GuestOs(
        "http://haiku-os.org/haiku/r1"
    )
