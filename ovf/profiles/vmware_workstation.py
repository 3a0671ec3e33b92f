"""VMware Workstation, which asks whether to try again with relaxed checks where ESXi refuses."""

from __future__ import annotations

from ovf.importers.vmware import hardware
from ovf.importers.vmware.common import EVERYWHERE, LAX
from ovf.importers.vmware.faults import ENFORCED, SOURCE, SOURCES
from ovf.importers.vmware.hosts import WORKSTATION
from ovf.judging.profile import Profile

PROFILE = Profile(
    name="vmware-workstation",
    title="VMware Workstation",
    aliases=("workstation",),
    releases=tuple(host.release for host in WORKSTATION),
    checks=(*EVERYWHERE, *LAX, hardware.needs_update),
    enforces=ENFORCED,
    source=SOURCE,
    sources=SOURCES,
)
