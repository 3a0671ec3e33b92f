"""A machine taken out of a collection: what goes with it, and what others still use."""

from __future__ import annotations

import pytest

from ovf.edit.systems import remove_system
from rehost.errors import UsageError
from tests.ovf.builders import NAMESPACES, STREAM, item
from tests.ovf.edit.appliances import draft_of

DISK = item(InstanceID=4, ResourceType=17, HostResource="ovf:/disk/{disk}")
MEDIUM = item(InstanceID=5, ResourceType=15, HostResource="ovf:/file/tools")
SYSTEM = """<VirtualSystem ovf:id="{name}">
<Info/>
<VirtualHardwareSection>
<Info/>
{items}
</VirtualHardwareSection>
</VirtualSystem>
"""
ENTRY = '<Disk ovf:diskId="{0}" ovf:fileRef="{0}" ovf:capacity="8" ovf:format="' + STREAM + '"{1}/>'


def collection(*, clone: str = "web") -> str:
    """Return two machines: disks of their own, one on another, and a medium that both have."""
    web = DISK.format(disk="web") + DISK.format(disk="grown") + MEDIUM
    named = ("web", "grown", "db", "tools")
    files = "".join(f'<File ovf:id="{name}" ovf:href="{name}.img"/>\n' for name in named)
    parent = f' ovf:parentRef="{clone}"'
    disks = "".join(ENTRY.format(name, parent if name == "grown" else "") for name in named[:3])
    return (
        f"<Envelope {NAMESPACES}>\n<References>\n{files}</References>\n"
        f"<DiskSection><Info/>{disks}</DiskSection>\n"
        '<VirtualSystemCollection ovf:id="shop">\n<Info/>\n<StartupSection>\n<Info/>\n'
        '<Item ovf:id="web" ovf:order="1"/>\n<Item ovf:id="db" ovf:order="0"/>\n</StartupSection>\n'
        + SYSTEM.format(name="web", items=web)
        + SYSTEM.format(name="db", items=DISK.format(disk="db") + MEDIUM)
        + "</VirtualSystemCollection>\n</Envelope>\n"
    )


def test_its_disks_its_files_and_its_place_in_the_order_of_starting_go() -> None:
    draft = draft_of(collection())
    remove_system(draft, "web")
    envelope = draft.envelope
    assert [envelope.attribute(each, "id") for each in envelope.systems] == ["db"]
    assert [disk.id for disk in envelope.disks] == ["db"]
    assert [file.id for file in envelope.references] == ["db", "tools"]
    assert b'<Item ovf:id="web"' not in draft.content
    assert b'<Item ovf:id="db" ovf:order="0"/>' in draft.content


def test_a_machine_whose_disk_another_builds_on_stays() -> None:
    draft = draft_of(collection(clone="db"))
    with pytest.raises(UsageError) as caught:
        remove_system(draft, "db")
    assert str(caught.value) == "web.ovf: disk 'db' is what 'grown' builds upon"
    assert caught.value.hint == "Remove that first."
