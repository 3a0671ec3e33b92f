"""A package from nothing: the least a descriptor has, ready to be edited.

Spec: DSP0243 clauses 7 and 8; what the schemas of 1.x and 2.x both ask for.
"""

from __future__ import annotations

from ovf.edit.draft import Draft
from ovf.text.fragment import CIM, escaped_text, escaped_value
from rehost.errors import UsageError

VERSIONS = ("1", "2")
SETTINGS = {
    "rasd": "CIM_ResourceAllocationSettingData",
    "vssd": "CIM_VirtualSystemSettingData",
    "sasd": "CIM_StorageAllocationSettingData",
    "epasd": "CIM_EthernetPortAllocationSettingData",
}
TEXT = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="{namespace}" xmlns:ovf="{namespace}"{settings} xmlns:vmw="{vmw}">
  <References/>
  <VirtualSystem ovf:id={identifier}>
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <VirtualHardwareSection>
      <Info>Virtual hardware requirements</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
      </System>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
VMW = "http://www.vmware.com/schema/ovf"


def created(name: str, version: str = "1") -> Draft:
    """Return a draft of one virtual system without hardware."""
    if not name.strip() or "/" in name or not name.isprintable() or len(name.encode()) > 200:
        raise UsageError(f"is no name for a machine ({name!r})")
    used = list(SETTINGS)[: 2 if version == "1" else 4]
    settings = "".join(f'\n    xmlns:{prefix}="{CIM}{SETTINGS[prefix]}"' for prefix in used)
    text = TEXT.format(
        namespace=f"http://schemas.dmtf.org/ovf/envelope/{version}",
        settings=settings + "\n   ",
        vmw=VMW,
        name=escaped_text(name),
        identifier=f'"{escaped_value(name, chr(34))}"',
    )
    return Draft(text.encode(), file=f"{name}.ovf", label=f"{name}.ovf")
