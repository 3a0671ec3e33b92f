"""VMware in general: what ovftool takes with --lax, and some current product runs."""

from __future__ import annotations

from ovf.profile import Profile
from ovf.vmware.common import ENFORCED, EVERYWHERE, LAX, SOURCE

PROFILE = Profile(
    name="vmware",
    title="VMware in general, by ovftool --lax",
    aliases=("ovftool",),
    checks=(*EVERYWHERE, *LAX),
    enforces=ENFORCED,
    source=SOURCE,
)
