"""The package as VirtualBox's export writes it: OVF 1.0 with the whole machine in its own words."""

from __future__ import annotations

from uuid import uuid5

from rehost.machine import Firmware
from tests.support.appliance.hardware import (
    MEMORY_MIB,
    PROCESSORS,
    STREAM_FORMAT,
    Hardware,
    item,
)
from tests.support.appliance.vmdk import NAMES

NICS = (("E1000", "82540EM", "080027A00001"), ("PCNet32", "Am79C973", "080027A00002"))
IDE, SATA, FIRST_DISK, FIRST_NIC = (3, 4), 5, 6, 10
DESCRIPTOR = """\
<?xml version="1.0"?>
<Envelope ovf:version="1.0" xml:lang="en-US" xmlns="http://schemas.dmtf.org/ovf/envelope/1" \
xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" \
xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" \
xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xmlns:vbox="http://www.virtualbox.org/ovf/machine">
  <References>
{files}
  </References>
  <DiskSection>
    <Info>List of the virtual disks used in the package</Info>
{disks}
  </DiskSection>
  <NetworkSection>
    <Info>Logical networks used in the package</Info>
    <Network ovf:name="NAT">
      <Description>Logical network used by this appliance.</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <OperatingSystemSection ovf:id="96">
      <Info>The kind of installed guest operating system</Info>
      <Description>Debian_64</Description>
      <vbox:OSType ovf:required="false">Debian12_64</vbox:OSType>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware requirements for a virtual machine</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>
      </System>
{items}
    </VirtualHardwareSection>
    <vbox:Machine ovf:required="false" version="1.19-linux" uuid="{{{uuid}}}" name="{name}" \
OSType="Debian12_64" snapshotFolder="Snapshots" lastStateChange="2024-01-01T00:00:00Z">
      <ovf:Info>Complete VirtualBox machine configuration in VirtualBox format</ovf:Info>
      <Hardware>
        <CPU count="{processors}">
          <PAE enabled="true"/>
          <LongMode enabled="true"/>
          <X2APIC enabled="true"/>
          <HardwareVirtExLargePages enabled="true"/>
        </CPU>
        <Memory RAMSize="{memory}"/>
{firmware}        <Boot>
          <Order position="1" device="HardDisk"/>
          <Order position="2" device="None"/>
          <Order position="3" device="None"/>
          <Order position="4" device="None"/>
        </Boot>
        <Display controller="VMSVGA" VRAMSize="16"/>
        <BIOS>
          <IOAPIC enabled="true"/>
        </BIOS>
        <Network>
{adapters}
        </Network>
        <AudioAdapter driver="ALSA" enabledIn="false" enabledOut="false"/>
        <RTC localOrUTC="UTC"/>
      </Hardware>
      <StorageControllers>
        <StorageController name="IDE" type="PIIX4" PortCount="2" useHostIOCache="true" \
Bootable="true"/>
        <StorageController name="SATA" type="AHCI" PortCount="{ports}" useHostIOCache="false" \
Bootable="true" IDE0MasterEmulationPort="0" IDE0SlaveEmulationPort="1" \
IDE1MasterEmulationPort="2" IDE1SlaveEmulationPort="3">
{attached}
        </StorageController>
      </StorageControllers>
    </vbox:Machine>
  </VirtualSystem>
</Envelope>
"""
FILE = '    <File ovf:id="file{number}" ovf:href="{file}"/>'
DISK = (
    '    <Disk ovf:capacity="{capacity}" ovf:diskId="vmdisk{number}" ovf:fileRef="file{number}"'
    ' ovf:format="{format}" vbox:uuid="{uuid}"/>'
)
UEFI = '        <Firmware type="EFI"/>\n'
ADAPTER = """\
          <Adapter slot="{slot}" enabled="true" MACAddress="{mac}" type="{chip}">
            <NAT/>
          </Adapter>"""
ATTACHED = """\
          <AttachedDevice type="HardDisk" hotpluggable="false" port="{port}" device="0">
            <Image uuid="{{{uuid}}}"/>
          </AttachedDevice>"""


def descriptor(hardware: Hardware) -> str:
    """Return the descriptor of a package whose disks are in it already."""
    numbered = list(enumerate(hardware.disks, 1))
    return DESCRIPTOR.format(
        name=hardware.name,
        uuid=uuid5(NAMES, hardware.name),
        processors=PROCESSORS,
        memory=MEMORY_MIB,
        ports=len(hardware.disks),
        firmware=UEFI if hardware.firmware is Firmware.UEFI else "",
        files="\n".join(FILE.format(number=n, file=disk.file) for n, disk in numbered),
        disks="\n".join(
            DISK.format(capacity=disk.capacity, number=n, format=STREAM_FORMAT, uuid=disk.uuid)
            for n, disk in numbered
        ),
        items="\n".join(_items(hardware)),
        adapters="\n".join(
            ADAPTER.format(slot=slot, mac=mac, chip=chip)
            for slot, (_, chip, mac) in enumerate(NICS[: hardware.nics])
        ),
        attached="\n".join(ATTACHED.format(port=n - 1, uuid=disk.uuid) for n, disk in numbered),
    )


def _captioned(instance: int, name: str, kind: int, **elements: object) -> str:
    """Return an Item as VirtualBox writes it, with its name twice."""
    named: dict[str, object] = {
        "Caption": name,
        "ElementName": name,
        "InstanceID": instance,
        "ResourceType": kind,
    }
    return item(**named, **elements)


def _items(hardware: Hardware) -> list[str]:
    cpu, memory = f"{PROCESSORS} virtual CPU", f"{MEMORY_MIB} MB of memory"
    counted: dict[str, object] = {"Description": "Number of virtual CPUs"}
    sized: dict[str, object] = {"Description": "Memory Size", "AllocationUnits": "MegaBytes"}
    return [
        _captioned(1, cpu, 3, VirtualQuantity=PROCESSORS, **counted),
        _captioned(2, memory, 4, VirtualQuantity=MEMORY_MIB, **sized),
        *_controller_items(),
        *_disk_items(hardware),
        *_nic_items(hardware),
    ]


def _controller_items() -> list[str]:
    ide: dict[str, object] = {"Description": "IDE Controller", "ResourceSubType": "PIIX4"}
    sata: dict[str, object] = {"Description": "SATA Controller", "ResourceSubType": "AHCI"}
    return [
        _captioned(IDE[0], "ideController0", 5, Address=0, **ide),
        _captioned(IDE[1], "ideController1", 5, Address=1, **ide),
        _captioned(SATA, "sataController0", 20, Address=0, **sata),
    ]


def _disk_items(hardware: Hardware) -> list[str]:
    return [
        _captioned(
            FIRST_DISK + number,
            f"disk{number + 1}",
            17,
            AddressOnParent=number,
            Description="Disk Image",
            HostResource=f"/disk/vmdisk{number + 1}",
            Parent=SATA,
        )
        for number in range(len(hardware.disks))
    ]


def _nic_items(hardware: Hardware) -> list[str]:
    return [
        _captioned(
            FIRST_NIC + number,
            "Ethernet adapter on 'NAT'",
            10,
            AutomaticAllocation="true",
            Connection="NAT",
            ResourceSubType=model,
        )
        for number, (model, _, _) in enumerate(NICS[: hardware.nics])
    ]
