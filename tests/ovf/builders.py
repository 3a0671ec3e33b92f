"""Packages made on the spot: descriptors, archives and manifests, whole or broken on purpose."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

from ovf.judging.profile import Check, Target, profiles
from ovf.judging.targets import target_named
from ovf.machines.hardware import read_machines
from ovf.package import Package
from rehost.errors import InteropError
from rehost.machine import Machine
from rehost.report import Loss

FIXTURES = Path(__file__).parent.parent / "fixtures" / "ovf"
NAMESPACES = (
    'xmlns="http://schemas.dmtf.org/ovf/envelope/1"'
    ' xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"'
    ' xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/'
    'CIM_ResourceAllocationSettingData"'
    ' xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/'
    'CIM_VirtualSystemSettingData"'
    ' xmlns:vmw="http://www.vmware.com/schema/ovf"'
    ' xmlns:vbox="http://www.virtualbox.org/ovf/machine"'
)
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"


def item(*, tag: str = "Item", prefix: str = "rasd", more: str = "", **said: object) -> str:
    """Return an item on one line, as the schema wants it; ``more`` is attributes of its own."""
    properties = sorted({"ElementName": said.get("InstanceID", tag), **said}.items())
    inside = "".join(f"<{prefix}:{name}>{text}</{prefix}:{name}>" for name, text in properties)
    return f"<{tag} {more}>{inside}</{tag}>"


PROCESSORS = item(InstanceID=1, ResourceType=3, VirtualQuantity=2)
MEMORY = item(InstanceID=2, ResourceType=4, AllocationUnits="byte * 2^20", VirtualQuantity=512)
SCSI = item(InstanceID=3, ResourceType=6, ResourceSubType="lsilogic", Address=0)


def descriptor(
    *items: str,
    references: str = "",
    disks: str = "",
    around: str = "",
    sections: str = "",
    hardware: str = "",
    name: str = "web",
) -> str:
    """Return a descriptor of one machine, one element a line, the items from line 12 on."""
    listed = "\n".join(items)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Envelope {NAMESPACES}>
<References>{references}</References>
<DiskSection><Info/>{disks}</DiskSection>
{around}
<VirtualSystem ovf:id="{name}">
<Info/>
{sections}
<VirtualHardwareSection>
<Info/>
{hardware}
{listed}
</VirtualHardwareSection>
</VirtualSystem>
</Envelope>
"""


def with_disk(href: str = "disk.vmdk", more: str = "") -> str:
    """Return a descriptor of a whole machine with one disk in one file."""
    return descriptor(
        SCSI,
        item(
            InstanceID=4, ResourceType=17, Parent=3, AddressOnParent=0, HostResource="ovf:/disk/d"
        ),
        PROCESSORS,
        MEMORY,
        references=f'<File ovf:id="f" ovf:href="{href}" {more}/>',
        disks=f'<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="65536" ovf:format="{STREAM}"/>',
    )


def pack(
    path: Path, members: dict[str, bytes], *, form: int = tarfile.USTAR_FORMAT, mode: Any = "w"
) -> Path:
    """Write an archive of these members in this order."""
    with tarfile.open(path, mode, format=form) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def manifest(files: dict[str, bytes], algorithm: str = "SHA256") -> bytes:
    """Return a manifest of these files."""
    lines = (
        f"{algorithm}({name})= {hashlib.new(algorithm.lower(), content).hexdigest()}\n"
        for name, content in files.items()
    )
    return "".join(lines).encode()


def signed_off(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return the members with a manifest of all of them behind the first, the descriptor."""
    first, *rest = members
    listing = {first.replace(".ovf", ".mf"): manifest(members)}
    return {first: members[first], **listing, **{name: members[name] for name in rest}}


def beside(folder: Path, text: str, files: dict[str, bytes] | None = None) -> Package:
    """Write a descriptor named web.ovf and its files into a folder, and open it."""
    (folder / "web.ovf").write_text(text)
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Package.open(folder / "web.ovf")


def machine_of(folder: Path, text: str) -> tuple[Machine, list[Loss]]:
    """Read the one machine of a descriptor."""
    [found] = read_machines(beside(folder, text))
    return found


def told(losses: list[Loss]) -> list[str]:
    """Return losses as lines."""
    return [f"{a.kind} {a.item} | {a.source} | {a.target} | {a.why}" for a in losses]


def said(error: InteropError, folder: Path) -> tuple[str, str, int]:
    """Return all a user sees of an error, the folder left out."""
    return str(error).replace(f"{folder}/", ""), error.hint, error.exit_code


def target_of(check: Check) -> Target:
    """Return the target its fixture names, or the newest that has it, as severe as declared."""
    named = FIXTURES / "profiles" / check.id / "target"
    if named.exists():
        return target_named(named.read_text().strip())
    return [
        target
        for profile in profiles()
        for target in profile.targets()
        if check in profile.checks and check.holds_for(target)
    ][-1]
