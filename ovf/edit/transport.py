"""How the environment reaches the guest.

Spec: DSP0243 clauses 8.1 (ovf:transport) and 11.2, which wants a CD-ROM drive without a medium for
the transport ``iso``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ovf.cim import ResourceType
from ovf.edit.disks import add_medium
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware

ISO = "iso"


def set_transport(draft: Draft, system: str | None, transports: Sequence[str]) -> None:
    """Say the transports: ``iso``, for which a drive is added if none is free, or URIs."""
    element = draft.system(system)
    for section in draft.envelope.children(element, "VirtualHardwareSection"):
        draft.set(section, "transport", " ".join(transports) or None)
    draft.settle()
    if ISO in transports and not _has_free_drive(Hardware.of(draft, system)):
        add_medium(draft, system, None)


def _has_free_drive(hardware: Hardware) -> bool:
    drives = hardware.of_kind(ResourceType.CD, ResourceType.DVD)
    return any("HostResource" not in drive.said for drive in drives)
