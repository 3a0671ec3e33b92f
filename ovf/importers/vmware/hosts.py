"""Which virtual hardware VMware's products run: the number in ``vmx-19``.

Spec: VMware's knowledge base, "Virtual machine hardware versions" (315655, formerly 2007240), and
the release notes of Workstation and Fusion; up to ESXi 8.0 as govmomi's vim25/types/esxi_version.go
has it. An update of a release may bring a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ovf.judging.profile import Release, Target


@dataclass(frozen=True, slots=True)
class Host:
    """A product's release: the newest hardware it ran when it came, and after its last update."""

    release: Release
    first: int
    last: int


ESXI = (
    Host(Release("6.0", "ESXi and vCenter 6.0"), 11, 11),
    Host(Release("6.5", "ESXi and vCenter 6.5"), 13, 13),
    Host(Release("6.7", "ESXi and vCenter 6.7"), 14, 15),
    Host(Release("7.0", "ESXi and vCenter 7.0"), 17, 19),
    Host(Release("8.0", "ESXi and vCenter 8.0"), 20, 21),
    Host(Release("9.0", "ESX and vCenter 9.0"), 22, 22),
)
WORKSTATION = (
    Host(Release("16", "Workstation 16"), 18, 19),
    Host(Release("17", "Workstation 17"), 20, 21),
    Host(Release("25H2", "Workstation 25H2"), 22, 22),
)
FUSION = (
    Host(Release("12", "Fusion 12"), 18, 19),
    Host(Release("13", "Fusion 13"), 20, 21),
    Host(Release("25H2", "Fusion 25H2"), 22, 22),
)
ANY = ESXI[-1]
"""What is taken for a target without releases: some current product runs it."""
BY_RELEASE = {host.release: host for host in (*ESXI, *WORKSTATION, *FUSION)}


def host_of(target: Target) -> Host:
    """Return what a target runs."""
    return ANY if target.release is None else BY_RELEASE[target.release]
