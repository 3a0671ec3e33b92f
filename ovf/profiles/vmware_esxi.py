"""ESXi and vCenter, by the release whose hardware it has."""

from __future__ import annotations

from types import MappingProxyType

from ovf.importers.vmware import grammar, hardware, packaging
from ovf.importers.vmware.common import EVERYWHERE, STRICT
from ovf.importers.vmware.faults import ENFORCED, SOURCE, SOURCES
from ovf.importers.vmware.hosts import ESXI
from ovf.judging.profile import Profile

PROFILE = Profile(
    name="vmware-esxi",
    title="VMware ESXi and vCenter",
    aliases=("esxi", "vcenter", "vsphere"),
    releases=tuple(host.release for host in ESXI),
    checks=(
        *EVERYWHERE,
        *STRICT,
        hardware.needs_update,
        hardware.too_old,
        packaging.new_algorithm,
        packaging.descriptor_is_not_listed,
        packaging.compressed_file,
        packaging.required_extra,
        packaging.needs_vcenter,
        grammar.out_of_order,
    ),
    enforces=ENFORCED,
    source=SOURCE,
    sources=SOURCES,
    digests=MappingProxyType({"6.0": "SHA1"}),
)
