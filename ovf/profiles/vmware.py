"""VMware in general: what ovftool takes with --lax, and some current product runs."""

from __future__ import annotations

from ovf.importers.vmware.common import EVERYWHERE, LAX
from ovf.importers.vmware.faults import ENFORCED, SOURCE, SOURCES
from ovf.judging.profile import Profile

PROFILE = Profile(
    name="vmware",
    title="VMware in general, by ovftool --lax",
    aliases=("ovftool",),
    checks=(*EVERYWHERE, *LAX),
    enforces=ENFORCED,
    source=SOURCE,
    sources=SOURCES,
)
