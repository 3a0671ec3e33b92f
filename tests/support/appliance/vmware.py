"""The package as VMware's tools write it: OVF 1.1 in vCenter's dialect."""

from __future__ import annotations

from rehost.machine import Firmware
from tests.support.appliance.hardware import (
    MEMORY_MIB,
    PROCESSORS,
    STREAM_FORMAT,
    Hardware,
    item,
)

CONTROLLERS = {
    "lsilogic": ("SCSI", "lsilogic", 6),
    "lsilogicsas": ("SCSI", "lsilogicsas", 6),
    "pvscsi": ("SCSI", "VirtualSCSI", 6),
    "ahci": ("SATA", "vmware.sata.ahci", 20),
    "ide": ("IDE", None, 5),
}
"""What each is called: its bus, its ResourceSubType, its ResourceType."""

NICS = ("VmxNet3", "E1000")
CONTROLLER_INSTANCE, FIRST_DISK, FIRST_NIC = 3, 10, 20
DESCRIPTOR = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope vmw:buildId="build-23510237" xmlns="http://schemas.dmtf.org/ovf/envelope/1" \
xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common" \
xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" \
xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" \
xmlns:vmw="http://www.vmware.com/schema/ovf" \
xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
{files}
  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
{disks}
  </DiskSection>
  <NetworkSection>
    <Info>The list of logical networks</Info>
    <Network ovf:name="VM Network">
      <Description>The VM Network network</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest">
      <Info>The kind of installed guest operating system</Info>
      <Description>Debian GNU/Linux 12 (64-bit)</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware requirements</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType>
      </System>
{items}
{settings}
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
FILE = '    <File ovf:href="{file}" ovf:id="file{number}" ovf:size="{size}"/>'
DISK = (
    '    <Disk ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte * 2^20"'
    ' ovf:diskId="vmdisk{number}" ovf:fileRef="file{number}" ovf:format="{format}"'
    ' ovf:populatedSize="{populated}"/>'
)
CONFIG = '      <vmw:Config ovf:required="false" vmw:key="{key}" vmw:value="{value}"/>'
EXTRA_CONFIG = '      <vmw:ExtraConfig ovf:required="false" vmw:key="{key}" vmw:value="{value}"/>'


def descriptor(hardware: Hardware) -> str:
    """Return the descriptor of a package whose disks are in it already."""
    numbered = list(enumerate(hardware.disks, 1))
    files = [FILE.format(file=disk.file, number=n, size=disk.size) for n, disk in numbered]
    disks = [
        DISK.format(
            capacity=disk.capacity >> 20, number=n, format=STREAM_FORMAT, populated=disk.populated
        )
        for n, disk in numbered
    ]
    return DESCRIPTOR.format(
        name=hardware.name,
        files="\n".join(files),
        disks="\n".join(disks),
        items="\n".join(_items(hardware)),
        settings="\n".join(_settings(hardware)),
    )


def _items(hardware: Hardware) -> list[str]:
    return [*_base_items(hardware), *_disk_items(hardware), *_nic_items(hardware)]


def _base_items(hardware: Hardware) -> list[str]:
    bus, subtype, kind = CONTROLLERS[hardware.controller]
    named = {"ResourceSubType": subtype} if subtype else {}
    return [
        item(
            AllocationUnits="hertz * 10^6",
            Description="Number of Virtual CPUs",
            ElementName=f"{PROCESSORS} virtual CPU(s)",
            InstanceID=1,
            ResourceType=3,
            VirtualQuantity=PROCESSORS,
        ),
        item(
            AllocationUnits="byte * 2^20",
            Description="Memory Size",
            ElementName=f"{MEMORY_MIB}MB of memory",
            InstanceID=2,
            ResourceType=4,
            VirtualQuantity=MEMORY_MIB,
        ),
        item(
            Address=0,
            Description=f"{bus} Controller",
            ElementName=f"{bus} Controller 0",
            InstanceID=CONTROLLER_INSTANCE,
            ResourceType=kind,
            **named,
        ),
    ]


def _disk_items(hardware: Hardware) -> list[str]:
    return [
        item(
            AddressOnParent=number,
            ElementName=f"Hard Disk {number + 1}",
            HostResource=f"ovf:/disk/vmdisk{number + 1}",
            InstanceID=FIRST_DISK + number,
            Parent=CONTROLLER_INSTANCE,
            ResourceType=17,
        )
        for number in range(len(hardware.disks))
    ]


def _nic_items(hardware: Hardware) -> list[str]:
    return [
        item(
            AddressOnParent=7 + number,
            AutomaticAllocation="true",
            Connection="VM Network",
            Description=f'{model} ethernet adapter on "VM Network"',
            ElementName=f"Network adapter {number + 1}",
            InstanceID=FIRST_NIC + number,
            ResourceSubType=model,
            ResourceType=10,
        )
        for number, model in enumerate(NICS[: hardware.nics])
    ]


def _settings(hardware: Hardware) -> list[str]:
    config = {
        "cpuHotAddEnabled": "false",
        "firmware": "efi" if hardware.firmware is Firmware.UEFI else "bios",
        "memoryHotAddEnabled": "false",
        "tools.syncTimeWithHost": "false",
    }
    extra = {"nvram": f"{hardware.name}.nvram", "svga.autodetect": "TRUE"}
    return [
        *(CONFIG.format(key=key, value=value) for key, value in config.items()),
        *(EXTRA_CONFIG.format(key=key, value=value) for key, value in extra.items()),
    ]
