"""VMware in general: what ovftool takes with --lax, and some current product runs."""

from __future__ import annotations

from ovf.profile import Profile
from ovf.vmware.common import EVERYWHERE, LAX
from ovf.vmware.faults import ENFORCED, SOURCE, SOURCES

PROFILE = Profile(
    name="vmware",
    title="VMware in general, by ovftool --lax",
    aliases=("ovftool",),
    checks=(*EVERYWHERE, *LAX),
    enforces=ENFORCED,
    source=SOURCE,
    sources=SOURCES,
)
