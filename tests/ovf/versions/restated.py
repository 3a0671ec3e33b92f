"""A machine in both versions of OVF, and how a text is restated in a test."""

from __future__ import annotations

from ovf.edit.draft import Draft
from ovf.namespaces import EPASD, RASD, SASD
from ovf.versions.restate import restate
from rehost.report import Loss

TWO = f"""\
<?xml version='1.0'?>
<!-- a shop -->
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/2"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/2"
    xmlns:rasd="{RASD}"
    xmlns:epasd="{EPASD}"
    xmlns:sasd="{SASD}">
  <References>
    <File ovf:id="f" ovf:href="disk.vmdk" ovf:size="3"/>
  </References>
  <DiskSection>
    <Info>Disks</Info>
    <Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="65536" ovf:format="http://x#sparse"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="lan"/>
  </NetworkSection>
  <VirtualSystem ovf:id="shop">
    <Info>A shop</Info>
    <VirtualHardwareSection>
      <Info>Hardware</Info>
      <Item>
        <rasd:ElementName>SCSI</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>6</rasd:ResourceType>
      </Item>
      <EthernetPortItem>
        <epasd:Connection>lan</epasd:Connection>
        <epasd:ElementName>Nic</epasd:ElementName>
        <epasd:InstanceID>2</epasd:InstanceID>
        <epasd:ResourceType>10</epasd:ResourceType>
      </EthernetPortItem>
      <!-- the only disk -->
      <StorageItem ovf:required="true">
        <sasd:Access>3</sasd:Access>
        <sasd:AddressOnParent>0</sasd:AddressOnParent>
        <sasd:ElementName>Disk</sasd:ElementName>
        <sasd:HostResource>ovf:/disk/d</sasd:HostResource>
        <sasd:InstanceID>3</sasd:InstanceID>
        <sasd:Parent>1</sasd:Parent>
        <sasd:ResourceType>17</sasd:ResourceType>
      </StorageItem>
    </VirtualHardwareSection>
    <PlacementSection ovf:group="near">
      <Info>Where it is put</Info>
    </PlacementSection>
  </VirtualSystem>
</Envelope>
"""
ONE = f"""\
<?xml version='1.0'?>
<!-- a shop -->
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="{RASD}"
    xmlns:epasd="{EPASD}"
    xmlns:sasd="{SASD}"
    xmlns:ovf2="http://schemas.dmtf.org/ovf/envelope/2">
  <References>
    <File ovf:id="f" ovf:href="disk.vmdk" ovf:size="3"/>
  </References>
  <DiskSection>
    <Info>Disks</Info>
    <Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="65536" ovf:format="http://x#sparse"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="lan"/>
  </NetworkSection>
  <VirtualSystem ovf:id="shop">
    <Info>A shop</Info>
    <VirtualHardwareSection>
      <Info>Hardware</Info>
      <Item>
        <rasd:ElementName>SCSI</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>6</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:Connection>lan</rasd:Connection>
        <rasd:ElementName>Nic</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
      <!-- the only disk -->
      <Item ovf:required="true">
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Disk</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/d</rasd:HostResource>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:Parent>1</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
        <sasd:Access ovf:required="false">3</sasd:Access>
      </Item>
    </VirtualHardwareSection>
    <ovf2:PlacementSection ovf2:group="near" ovf:required="false">
      <Info>Where it is put</Info>
    </ovf2:PlacementSection>
  </VirtualSystem>
</Envelope>
"""


def restated(text: str, *versions: str) -> tuple[str, list[Loss]]:
    """Return a descriptor restated in one version after another, and the losses of the last."""
    draft = Draft(text.encode(), file="shop.ovf", label="shop.ovf")
    losses: list[Loss] = []
    for version in versions:
        losses = restate(draft, version)
    return draft.content.decode(), losses
