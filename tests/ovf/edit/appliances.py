"""Appliances to edit, and the lines an edit takes out and puts in."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from ovf.edit.draft import Draft

RASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
VSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
WEB = f"""\
<?xml version='1.0' encoding='UTF-8'?>
<!-- made by hand -->
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="{RASD}"
    xmlns:vssd="{VSSD}"
    xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:our="urn:our">
  <ovf:References>
    <ovf:File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="65536"/>
  </ovf:References>
  <ovf:DiskSection>
    <ovf:Info>Virtual disks</ovf:Info>
    <ovf:Disk ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk1" \
ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html\
#streamOptimized"/>
  </ovf:DiskSection>
  <ovf:NetworkSection>
    <ovf:Info>Logical networks</ovf:Info>
    <ovf:Network ovf:name="VM Network">
      <ovf:Description>The VM Network network</ovf:Description>
    </ovf:Network>
  </ovf:NetworkSection>
  <ovf:DeploymentOptionSection>
    <ovf:Info>Sizes</ovf:Info>
    <ovf:Configuration ovf:id="small" ovf:default="true">
      <ovf:Label>Small</ovf:Label>
      <ovf:Description>For trying</ovf:Description>
    </ovf:Configuration>
    <ovf:Configuration ovf:id="large">
      <ovf:Label>Large</ovf:Label>
      <ovf:Description>For working</ovf:Description>
    </ovf:Configuration>
  </ovf:DeploymentOptionSection>
  <ovf:VirtualSystem ovf:id="web">
    <ovf:Info>A web server</ovf:Info>
    <ovf:Name>web</ovf:Name>
    <our:Section ovf:required="false" note='kept  as "it" is'>
      <ovf:Info>Nobody else knows this</ovf:Info>
    </our:Section>
    <ovf:ProductSection ovf:class="com.example" ovf:instance="1">
      <ovf:Info>The product</ovf:Info>
      <ovf:Product>Web</ovf:Product>
      <ovf:Version>1.0</ovf:Version>
      <ovf:Property ovf:key="ip" ovf:type="string" ovf:userConfigurable="true" ovf:value="">
        <ovf:Label>Address</ovf:Label>
      </ovf:Property>
      <ovf:Property ovf:key="port" ovf:type="uint16" ovf:value="80"/>
      <ovf:Property ovf:key="mode" ovf:type="string" ovf:qualifiers='ValueMap{{"a","b"}}' \
ovf:value="a"/>
    </ovf:ProductSection>
    <ovf:OperatingSystemSection ovf:id="96" vmw:osType="debian10_64Guest">
      <ovf:Info>The guest</ovf:Info>
      <ovf:Description>Debian (64 bit)</ovf:Description>
    </ovf:OperatingSystemSection>
    <ovf:VirtualHardwareSection ovf:transport="com.vmware.guestInfo">
      <ovf:Info>Hardware</ovf:Info>
      <ovf:System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>web</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>
      </ovf:System>
      <ovf:Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:Description>Number of Virtual CPUs</rasd:Description>
        <rasd:ElementName>1 virtual CPU(s)</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </ovf:Item>
      <ovf:Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>512MB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>512</rasd:VirtualQuantity>
      </ovf:Item>
      <ovf:Item>
        <rasd:Address>0</rasd:Address>
        <rasd:ElementName>SCSI Controller 0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType>
      </ovf:Item>
      <ovf:Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Hard disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </ovf:Item>
      <ovf:Item>
        <rasd:AddressOnParent>7</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>VM Network</rasd:Connection>
        <rasd:Description>VmxNet3 adapter on "VM Network"</rasd:Description>
        <rasd:ElementName>Ethernet 1</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
        <vmw:Config ovf:required="false" vmw:key="wakeOnLanEnabled" vmw:value="true"/>
      </ovf:Item>
    </ovf:VirtualHardwareSection>
  </ovf:VirtualSystem>
</ovf:Envelope>
"""
DISK = bytes(range(256)) * 256


def draft_of(text: str = WEB) -> Draft:
    return Draft(text.encode(), file="web.ovf", label="web.ovf")


def after(change: Callable[[Draft], object], text: str = WEB) -> str:
    """Return the lines a change takes out (-) and puts in (+), and no others."""
    draft = draft_of(text)
    change(draft)
    return difference(text, draft.content.decode())


def difference(before: str, now: str) -> str:
    lines = difflib.ndiff(before.splitlines(), now.splitlines())
    changed = (line for line in lines if line[0] in "+-")
    return "\n".join(f"{line[0]} {line[2:].strip()}" for line in changed)
