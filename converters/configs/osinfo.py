"""Guest systems under libosinfo's names, beside those of CIM and of VMware.

Spec: the identifiers of osinfo-db; CIM_OperatingSystem.OSType; VirtualMachineGuestOsIdentifier of
the vSphere API. A libosinfo name covers every processor, the others' numbers and names only one.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from rehost.machine import GuestOs

ROWS = """
microsoft.com/msdos/6.22        -   -                     14  dosGuest
microsoft.com/win/3.1           -   -                     15  win31Guest
microsoft.com/win/95            -   -                     16  win95Guest
microsoft.com/win/98            -   -                     17  win98Guest
microsoft.com/win/me            -   -                     63  winMeGuest
microsoft.com/winnt/4.0         -   -                     18  winNTGuest
microsoft.com/win/2k            -   -                     58  win2000ServGuest
microsoft.com/win/xp            71  winXPPro64Guest       67  winXPProGuest
microsoft.com/win/2k3           70  winNetStandard64Guest 69  winNetStandardGuest
microsoft.com/win/vista         74  winVista64Guest       73  winVistaGuest
microsoft.com/win/2k8           77  winLonghorn64Guest    76  winLonghornGuest
microsoft.com/win/7             105 windows7_64Guest      105 windows7Guest
microsoft.com/win/2k8r2         103 windows7Server64Guest -   -
microsoft.com/win/8             114 windows8_64Guest      113 windows8Guest
microsoft.com/win/8.1           118 windows8_64Guest      117 windows8Guest
microsoft.com/win/2k12          112 windows8Server64Guest -   -
microsoft.com/win/2k12r2        115 windows8Server64Guest -   -
microsoft.com/win/2k16          116 windows9Server64Guest -   -
microsoft.com/win/10            120 windows9_64Guest      119 windows9Guest
microsoft.com/win/2k19          121 windows2019srv_64Guest     -   -
microsoft.com/win/11            122 windows11_64Guest     -   -
microsoft.com/win/2k22          123 windows2019srvNext_64Guest -   -
redhat.com/rhel/3               80  rhel3_64Guest         79  rhel3Guest
redhat.com/rhel/4.0             80  rhel4_64Guest         79  rhel4Guest
redhat.com/rhel/5.0             80  rhel5_64Guest         79  rhel5Guest
redhat.com/rhel/6.0             80  rhel6_64Guest         79  rhel6Guest
redhat.com/rhel/7.0             80  rhel7_64Guest         79  rhel7Guest
redhat.com/rhel/8.0             80  rhel8_64Guest         -   -
redhat.com/rhel/9.0             80  rhel9_64Guest         -   -
redhat.com/rhel/unknown         80  -                     79  redhatGuest
centos.org/centos/5.0           107 centos64Guest         106 centosGuest
centos.org/centos/6.0           107 centos6_64Guest       106 centos6Guest
centos.org/centos/7.0           107 centos7_64Guest       106 centos7Guest
centos.org/centos/8             107 centos8_64Guest       -   -
centos.org/centos-stream/9      107 centos9_64Guest       -   -
oracle.com/ol/5.5               109 oracleLinux64Guest    108 oracleLinuxGuest
oracle.com/ol/6.0               109 oracleLinux6_64Guest  108 oracleLinux6Guest
oracle.com/ol/7.0               109 oracleLinux7_64Guest  108 oracleLinux7Guest
oracle.com/ol/8.0               109 oracleLinux8_64Guest  -   -
almalinux.org/almalinux/9       -   almalinux_64Guest     -   -
rockylinux.org/rocky/9          101 rockylinux_64Guest    -   -
fedoraproject.org/fedora/unknown 101 fedora64Guest        36  fedoraGuest
suse.com/sles/10                85  sles10_64Guest        84  sles10Guest
suse.com/sles/11                85  sles11_64Guest        84  sles11Guest
suse.com/sles/12                85  sles12_64Guest        84  sles12Guest
suse.com/sle/15                 85  sles15_64Guest        -   -
suse.com/sle/unknown            85  sles64Guest           84  slesGuest
opensuse.org/opensuse/unknown   83  opensuse64Guest       82  opensuseGuest
debian.org/debian/4             96  debian4_64Guest       95  debian4Guest
debian.org/debian/5             96  debian5_64Guest       95  debian5Guest
debian.org/debian/6             96  debian6_64Guest       95  debian6Guest
debian.org/debian/7             96  debian7_64Guest       95  debian7Guest
debian.org/debian/8             96  debian8_64Guest       95  debian8Guest
debian.org/debian/9             96  debian9_64Guest       95  debian9Guest
debian.org/debian/10            96  debian10_64Guest      95  debian10Guest
debian.org/debian/11            96  debian11_64Guest      95  debian11Guest
debian.org/debian/12            96  debian12_64Guest      95  debian12Guest
ubuntu.com/ubuntu/22.04         94  ubuntu64Guest         93  ubuntuGuest
novell.com/netware/4            -   -                     21  netware4Guest
novell.com/netware/5            -   -                     21  netware5Guest
novell.com/netware/6            -   -                     21  netware6Guest
sun.com/solaris/10              81  solaris10_64Guest     29  solaris10Guest
oracle.com/solaris/11           81  solaris11_64Guest     -   -
freebsd.org/freebsd/11.0        78  freebsd11_64Guest     42  freebsd11Guest
freebsd.org/freebsd/12.0        78  freebsd12_64Guest     42  freebsd12Guest
freebsd.org/freebsd/13.0        78  freebsd13_64Guest     42  freebsd13Guest
libosinfo.org/linux/2022        101 other5xLinux64Guest   36  other5xLinuxGuest
libosinfo.org/linux/2018        101 other4xLinux64Guest   36  other4xLinuxGuest
libosinfo.org/linux/2016        101 otherLinux64Guest     36  otherLinuxGuest
"""
SCHEME = "http://"
ANY_VERSION = {
    36: "libosinfo.org/linux/2022",
    101: "libosinfo.org/linux/2022",
    79: "redhat.com/rhel/unknown",
    80: "redhat.com/rhel/unknown",
    82: "opensuse.org/opensuse/unknown",
    83: "opensuse.org/opensuse/unknown",
    84: "suse.com/sle/unknown",
    85: "suse.com/sle/unknown",
}
"""What a CIM number that covers several systems means where nothing says which."""


class Entry(NamedTuple):
    """What one system is called elsewhere, as a 64-bit and as a 32-bit guest."""

    cim64: int | None
    vmware64: str | None
    cim32: int | None
    vmware32: str | None


def osinfo_of(guest: GuestOs) -> str | None:
    """Return libosinfo's identifier of a guest; None where it cannot be told."""
    by_vmware, by_number = _tables()
    short = by_vmware.get((guest.vmware or "").lower())
    if short is None and guest.cim is not None:
        short = by_number.get((guest.cim, (guest.version or "").split(".")[0]))
        short = short or by_number.get((guest.cim, "")) or ANY_VERSION.get(guest.cim)
    return short and SCHEME + short


def guest_of(identifier: str, *, wide: bool) -> GuestOs:
    """Return a guest under all its names; ``wide`` for one of 64 bits."""
    found = _entries().get(identifier.removeprefix(SCHEME))
    if found is None:
        return GuestOs(name=identifier)
    if wide and (found.cim64 or found.vmware64):
        return GuestOs(name=identifier, cim=found.cim64, vmware=found.vmware64)
    return GuestOs(name=identifier, cim=found.cim32, vmware=found.vmware32)


@cache
def _entries() -> dict[str, Entry]:
    entries = {}
    for row in ROWS.strip().splitlines():
        short, *columns = row.split()
        cim64, vmware64, cim32, vmware32 = (None if one == "-" else one for one in columns)
        entries[short] = Entry(
            int(cim64) if cim64 else None, vmware64, int(cim32) if cim32 else None, vmware32
        )
    return entries


@cache
def _tables() -> tuple[dict[str, str], dict[tuple[int, str], str]]:
    """Turn the rows round: by VMware's name, and by CIM's number with the major version."""
    by_vmware: dict[str, str] = {}
    by_number: dict[tuple[int, str], str] = {}
    for short, entry in _entries().items():
        version = short.rpartition("/")[2].split(".")[0]
        for cim, vmware in ((entry.cim64, entry.vmware64), (entry.cim32, entry.vmware32)):
            if vmware is not None:
                by_vmware.setdefault(vmware.lower(), short)
            if cim is not None:
                by_number.setdefault((cim, version), short)
                by_number.setdefault((cim, "") if cim not in ANY_VERSION else (cim, "any"), short)
    return by_vmware, by_number
