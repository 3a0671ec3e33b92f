"""VMware's check of operating systems.

Spec: the vSphere Web Services API, VirtualMachineGuestOsIdentifier, up to 9.0.
"""

from __future__ import annotations

from collections.abc import Iterator

from ovf.judging.profile import Hit, Sure, Target, check
from ovf.namespaces import VMW
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

WORDS = """
    almalinux_64 amazonlinux2_64 amazonlinux3_64 asianux3 asianux3_64 asianux4 asianux4_64
    asianux5_64 asianux7_64 asianux8_64 asianux9_64 centos centos6 centos64 centos6_64
    centos7 centos7_64 centos8_64 centos9_64 coreos64 crxPod1 crxSys1 darwin darwin10
    darwin10_64 darwin11 darwin11_64 darwin12_64 darwin13_64 darwin14_64 darwin15_64
    darwin16_64 darwin17_64 darwin18_64 darwin19_64 darwin20_64 darwin21_64 darwin22_64
    darwin23_64 darwin64 debian10 debian10_64 debian11 debian11_64 debian12 debian12_64
    debian13 debian13_64 debian4 debian4_64 debian5 debian5_64 debian6 debian6_64 debian7
    debian7_64 debian8 debian8_64 debian9 debian9_64 dos eComStation eComStation2 fedora
    fedora64 flatcar_64 freebsd freebsd11 freebsd11_64 freebsd12 freebsd12_64 freebsd13
    freebsd13_64 freebsd14 freebsd14_64 freebsd15 freebsd15_64 freebsd64 fusionos_64
    genericLinux kylinlinux_64 mandrake mandriva mandriva64 miraclelinux_64 netware4
    netware5 netware6 nld9 oes openServer5 openServer6 opensuse opensuse64 oracleLinux
    oracleLinux10_64 oracleLinux6 oracleLinux64 oracleLinux6_64 oracleLinux7 oracleLinux7_64
    oracleLinux8_64 oracleLinux9_64 os2 other other24xLinux other24xLinux64 other26xLinux
    other26xLinux64 other3xLinux other3xLinux64 other4xLinux other4xLinux64 other5xLinux
    other5xLinux64 other6xLinux other6xLinux64 other7xLinux other7xLinux64 otherLinux
    otherLinux64 pardus_64 prolinux_64 redhat rhel10_64 rhel2 rhel3 rhel3_64 rhel4 rhel4_64
    rhel5 rhel5_64 rhel6 rhel6_64 rhel7 rhel7_64 rhel8_64 rhel9_64 rockylinux_64 sjds sles
    sles10 sles10_64 sles11 sles11_64 sles12 sles12_64 sles15_64 sles16_64 sles64 solaris10
    solaris10_64 solaris11_64 solaris6 solaris7 solaris8 solaris9 suse suse64 turboLinux
    turboLinux64 ubuntu ubuntu64 unixWare7 vmkernel vmkernel5 vmkernel6 vmkernel65 vmkernel7
    vmkernel8 vmkernel9 vmwarePhoton64 win2000AdvServ win2000Pro win2000Serv win31 win95
    win98 windows11_64 windows12_64 windows2019srv_64 windows2019srvNext_64
    windows2022srvNext_64 windows7 windows7_64 windows7Server64 windows8 windows8_64
    windows8Server64 windows9 windows9_64 windows9Server64 windowsHyperV winLonghorn
    winLonghorn64 winMe winNetBusiness winNetDatacenter winNetDatacenter64 winNetEnterprise
    winNetEnterprise64 winNetStandard winNetStandard64 winNetWeb winNT winVista winVista64
    winXPHome winXPPro winXPPro64
"""
NAMES = frozenset(f"{word}Guest" for word in WORDS.split()) | {"otherGuest64"}
"""What vmw:osType can be."""


@check(
    "VMW-012",
    severity=Severity.WARNING,
    quote="The specified operating system identifier '{name}' (id: {id}) is not supported on the"
    " selected host. It will be mapped to the following OS identifier: 'Other (32-bit)'.",
    source="github.com/Banno/packer-post-processor-vsphere-ova/issues/9",
    sure=Sure.ISSUE,
)
def unknown_guest(package: Package, target: Target) -> Iterator[Hit]:
    """A vmw:osType is an operating system that VMware has a name for.

    Any other is imported as "Other (32-bit)", which may lack devices and memory the guest needs. A
    host older than the name does the same.

    Fix: write one of VMware's names, as debian12_64Guest, or otherLinux64Guest.
    """
    envelope = package.envelope
    for system in envelope.systems:
        for section in envelope.children(system, "OperatingSystemSection"):
            name = str(section.get(f"{{{VMW}}}osType", "")).removeprefix("*")
            if name and name not in NAMES:
                said = {
                    "name": summary(name),
                    "id": summary(envelope.attribute(section, "id") or ""),
                }
                message = f"VMware knows no operating system {summary(name)}"
                yield Hit(envelope.at(section), message, said)
