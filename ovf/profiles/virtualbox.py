"""VirtualBox, by its own reader, which knows OVF 0.9, 1.x and 2.x and few units.

Spec: VirtualBox 7.0.14, src/VBox/Main/xml/ovfreader.cpp (the reader and its words),
src/VBox/Main/src-server/ApplianceImplImport.cpp (what is made of it). Where VirtualBox's own
vbox:Machine is in the descriptor it takes the machine from there, but reads the rest all the same.
"""

from __future__ import annotations

from types import MappingProxyType

from ovf.importers.virtualbox import hardware, packaging
from ovf.importers.virtualbox.source import IMPORT
from ovf.judging.profile import Profile, Release, Sure
from rehost.report import Severity

PROFILE = Profile(
    name="virtualbox",
    title="Oracle VirtualBox",
    aliases=("vbox",),
    releases=(Release("6", "VirtualBox 6"), Release("7", "VirtualBox 7")),
    checks=(
        hardware.memory_unit,
        hardware.unknown_type,
        hardware.type_is_said,
        hardware.parent_is_no_controller,
        packaging.disk_is_missing,
        hardware.unknown_storage,
        hardware.storage_that_is_no_sata,
        packaging.disk_attributes,
        packaging.file_is_missing,
        packaging.system_id,
        hardware.controller_is_numbered,
        hardware.too_many_controllers,
        packaging.chunks,
        hardware.deployment_options,
        packaging.properties,
        packaging.disk_format,
        packaging.empty_disk_units,
        hardware.storage_quantity,
        packaging.pax_headers,
    ),
    enforces=MappingProxyType(
        dict.fromkeys(("PKG-018", "MAN-004", "CRT-003", "REF-004"), Severity.ERROR)
    ),
    source=f"{Sure.CODE.value}: {IMPORT}",
)
