"""virt-v2v by itself, from an OVA to libvirt, QEMU or any other of its outputs."""

from __future__ import annotations

from types import MappingProxyType

from ovf.importers.virt_v2v import CONVERTING, memory_unit
from ovf.judging.profile import Profile, Sure
from rehost.report import Severity

PROFILE = Profile(
    name="virt-v2v",
    title="virt-v2v -i ova",
    aliases=("v2v",),
    checks=(*CONVERTING, memory_unit),
    enforces=MappingProxyType(dict.fromkeys(("MAN-004", "REF-004"), Severity.ERROR)),
    source=f"{Sure.CODE.value}: virt-v2v, input/input_ova.ml",
)
