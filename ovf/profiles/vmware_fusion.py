"""VMware Fusion, which asks whether to try again with relaxed checks where ESXi refuses."""

from __future__ import annotations

from ovf.profile import Profile
from ovf.vmware import hardware
from ovf.vmware.common import EVERYWHERE, LAX
from ovf.vmware.faults import ENFORCED, SOURCE, SOURCES
from ovf.vmware.hosts import FUSION

PROFILE = Profile(
    name="vmware-fusion",
    title="VMware Fusion",
    aliases=("fusion",),
    releases=tuple(host.release for host in FUSION),
    checks=(*EVERYWHERE, *LAX, hardware.needs_update),
    enforces=ENFORCED,
    source=SOURCE,
    sources=SOURCES,
)
