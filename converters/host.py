"""What the computer that converts can do itself."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

KVM = Path("/dev/kvm")
PROCESSORS = Path("/proc/cpuinfo")


@cache
def has_kvm() -> bool:
    """Say whether processor and kernel offer KVM; it is not tried, for that can hang."""
    try:
        flags = PROCESSORS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return KVM.exists() and re.search(r"\b(?:vmx|svm)\b", flags) is not None
