"""Packages as producers write them around a small disk: XenCenter, oVirt, scripts, QEMU's users.

Facts: XenCenter's exports (xenadmin, XenOvfApi); oVirt's OVAs (ovirt-engine, OvfOvaWriter and
pack_ova): GNU tar, ``vm.ovf`` first, data of the firmware, members called ``pad`` before disks,
qcow2 images called by the ids of their snapshots and cut off at the tar's next block.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.appliance.ova import Member, manifest_text, write_tar

SIZE = 1 << 20
NAMESPACES = """\
xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData\""""
XENCENTER = """\
<?xml version="1.0" encoding="utf-8"?>
<ovf:Envelope {namespaces}
 xmlns:xenovf="http://schemas.citrix.com/ovf/envelope/1" ovf:version="1.0.0">
  <ovf:References>
    <ovf:File ovf:id="d7" ovf:href="xen disk.vhd" ovf:size="1" />
  </ovf:References>
  <ovf:DiskSection>
    <ovf:Info>Meta-information about the virtual disks</ovf:Info>
    <ovf:Disk ovf:diskId="d7" ovf:fileRef="d7" ovf:capacity="268435456"
      ovf:format="http://go.microsoft.com/fwlink/?LinkId=137171" />
  </ovf:DiskSection>
  <ovf:NetworkSection>
    <ovf:Info>Logical networks</ovf:Info>
    <ovf:Network ovf:name="Network 0" />
    <ovf:Network ovf:name="Network 1" />
  </ovf:NetworkSection>
  <ovf:StartupSection>
    <ovf:Info>The order of starting</ovf:Info>
    <ovf:Item ovf:id="vm" ovf:order="1" />
  </ovf:StartupSection>
  <ovf:VirtualSystem ovf:id="vm">
    <ovf:Info>A machine</ovf:Info>
    <ovf:Name>vm</ovf:Name>
    <ovf:VirtualHardwareSection>
      <ovf:Info>Requirements</ovf:Info>
      <ovf:System>
        <vssd:ElementName>Virtual Environment</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemType>hvm-3.0-unknown</vssd:VirtualSystemType>
      </ovf:System>
      <xenovf:VirtualSystemOtherConfigurationData ovf:required="false" Name="HVM_boot_policy">
        <xenovf:Value>BIOS order</xenovf:Value>
      </xenovf:VirtualSystemOtherConfigurationData>
      <ovf:Item>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ElementName>1 CPU</rasd:ElementName>
      </ovf:Item>
      <ovf:Item>
        <rasd:AllocationUnits>gibibyte</rasd:AllocationUnits>
        <rasd:ElementName>Memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </ovf:Item>
      <ovf:Item>
        <rasd:ElementName>Network 0</rasd:ElementName>
        <rasd:Connection>Network 0</rasd:Connection>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceType>10</rasd:ResourceType>
      </ovf:Item>
      <ovf:Item>
        <rasd:ElementName>Hard Disk</rasd:ElementName>
        <rasd:HostResource>/disk/d7</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:ResourceType>17</rasd:ResourceType>
      </ovf:Item>
    </ovf:VirtualHardwareSection>
  </ovf:VirtualSystem>
</ovf:Envelope>
"""
BY_HAND = """\
<?xml version="1.0"?>
<Envelope {namespaces}>
  <References><File ovf:id="f" ovf:href="disk.vmdk" ovf:size="7"/></References>
  <DiskSection>
    <Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="1" ovf:capacityAllocationUnits="GB"
          ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#sparse"/>
  </DiskSection>
  <VirtualSystem ovf:id="vm">
    <Info>Made by a script</Info>
    <VirtualHardwareSection>
      <Info>Hardware</Info>
      <Item>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^30</rasd:AllocationUnits>
        <rasd:ElementName>Memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:ElementName>IDE</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceType>5</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Disk</rasd:ElementName>
        <rasd:HostResource>ovf:/file/f</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
IMAGE, DISK, MACHINE = (
    "6d3d5a4e-8f2e-4b52-9a6b-0d1f2c3b4a5d",
    "0f7a1c1e-2b3c-4d5e-8f90-a1b2c3d4e5f6",
    "70f24c82-a7b8-4e0b-9192-cffd5705cf5c",
)
OVIRT = """\
<?xml version="1.0" encoding="UTF-8"?>\
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"\
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"\
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"\
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ovirt="http://www.ovirt.org/ovf"\
 xmlns="http://schemas.dmtf.org/ovf/envelope/1" ovf:version="4.4.0.0">\
<References><File ovf:href="{image}" ovf:id="{image}" ovf:size="{size}"\
 ovf:description="Active VM" ovf:disk_storage_type="IMAGE" ovf:cinder_volume_type=""/>\
<File ovf:href="nvram.dat" ovf:id="nvram.dat" ovf:size="9"/></References>\
<NetworkSection><Info>List of networks</Info><Network ovf:name="lan"/></NetworkSection>\
<DiskSection><Info>List of Virtual Disks</Info>\
<Disk ovf:diskId="{disk}" ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^30"\
 ovf:populatedSize="{size}" ovf:parentRef="" ovf:fileRef="{image}"\
 ovf:format="http://www.gnome.org/~markmc/qcow-image-format.html" ovf:volume-format="COW"\
 ovf:volume-type="Sparse" ovf:disk-interface="VirtIO" ovf:boot="true" ovf:pass-discard="false"\
 ovf:disk-alias="shop_Disk1" ovf:disk-description="" ovf:wipe-after-delete="false"\
 ovf:description="" ovf:disk_storage_type="IMAGE" ovf:cinder_volume_type=""/></DiskSection>\
<VirtualSystem ovf:id="{machine}"><Name>shop</Name><Description>Sells</Description><Comment/>\
<CreationDate>2024/01/02 03:04:05</CreationDate><DeleteProtected>false</DeleteProtected>\
<IsSmartcardEnabled>false</IsSmartcardEnabled><TimeZone>Etc/GMT</TimeZone>\
<BiosType>2</BiosType><MinAllocatedMem>512</MinAllocatedMem><VmType>1</VmType>\
<TemplateId>00000000-0000-0000-0000-000000000000</TemplateId><Origin>3</Origin>\
<OperatingSystemSection ovf:id="80" ovirt:id="33" ovf:required="false">\
<Info>Guest Operating System</Info><Description>rhel_8x64</Description></OperatingSystemSection>\
<VirtualHardwareSection><Info>1 CPU, 1024 Memory</Info>\
<System><vssd:VirtualSystemType>ENGINE 4.4.0.0</vssd:VirtualSystemType></System>\
<Item><rasd:Caption>1 virtual cpu</rasd:Caption><rasd:Description>Number of virtual CPU\
</rasd:Description><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>\
<rasd:num_of_sockets>1</rasd:num_of_sockets><rasd:cpu_per_socket>1</rasd:cpu_per_socket>\
<rasd:threads_per_cpu>1</rasd:threads_per_cpu><rasd:max_num_of_vcpus>16</rasd:max_num_of_vcpus>\
<rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>\
<Item><rasd:Caption>1024 MB of memory</rasd:Caption><rasd:Description>Memory Size\
</rasd:Description><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>\
<rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>\
<rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>\
<Item><rasd:Caption>shop_Disk1</rasd:Caption><rasd:InstanceID>{image}</rasd:InstanceID>\
<rasd:ResourceType>17</rasd:ResourceType><rasd:HostResource>ovf:/disk/{disk}</rasd:HostResource>\
<rasd:Parent>00000000-0000-0000-0000-000000000000</rasd:Parent>\
<rasd:Template>00000000-0000-0000-0000-000000000000</rasd:Template><Type>disk</Type>\
<Device>disk</Device><rasd:Address>{{type=pci, slot=0x06}}</rasd:Address><BootOrder>1</BootOrder>\
<IsPlugged>true</IsPlugged><IsReadOnly>false</IsReadOnly><Alias>ua-1</Alias></Item>\
<Item><rasd:Caption>Ethernet adapter on lan</rasd:Caption><rasd:InstanceID>7</rasd:InstanceID>\
<rasd:ResourceType>10</rasd:ResourceType><rasd:OtherResourceType>lan</rasd:OtherResourceType>\
<rasd:ResourceSubType>3</rasd:ResourceSubType><rasd:Connection>lan</rasd:Connection>\
<rasd:Linked>true</rasd:Linked><rasd:Name>nic1</rasd:Name><rasd:ElementName>nic1\
</rasd:ElementName><rasd:MACAddress>56:6f:00:00:00:01</rasd:MACAddress>\
<Type>interface</Type><Device>bridge</Device></Item>\
<Item><rasd:Caption>Graphical Framebuffer</rasd:Caption><rasd:InstanceID>8</rasd:InstanceID>\
<rasd:ResourceType>26</rasd:ResourceType><Type>graphics</Type><Device>vnc</Device></Item>\
</VirtualHardwareSection></VirtualSystem></ovf:Envelope>"""
BY_QEMU = """\
<?xml version="1.0"?>
<Envelope {namespaces}>
  <References><File ovf:id="f" ovf:href="disk image.img" ovf:size="10 MB"/></References>
  <DiskSection>
    <Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="10 MB" ovf:format="vmdk"/>
  </DiskSection>
  <VirtualSystem ovf:id="vm">
    <Name>vm</Name>
    <VirtualHardwareSection ovf:transport="iso,com.vmware.guestInfo">
      <Item ovf:bound="Normal">
        <rasd:ElementName>CPU</rasd:ElementName>
        <rasd:InstanceId>1</rasd:InstanceId>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>MB</rasd:AllocationUnits>
        <rasd:ElementName>Memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:ElementName>SATA</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>AHCI</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:ElementName>Disk</rasd:ElementName>
        <rasd:HostResource>disk/d</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:Connection>lan</rasd:Connection>
        <rasd:ElementName>NIC</rasd:ElementName>
        <rasd:ResourceSubType>E1000</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
    </VirtualHardwareSection>
    <ProductSection>
      <Version>1</Version>
      <Product>Shop</Product>
      <Vendor>Example</Vendor>
    </ProductSection>
  </VirtualSystem>
</Envelope>
"""


def qemu_img(form: str, disk: Path, path: Path, *options: str) -> Path:
    """Have qemu-img write a raw disk in a format."""
    argv = ["qemu-img", "convert", "-f", "raw", "-O", form, *options, str(disk), str(path)]
    subprocess.run(argv, check=True)
    return path


def stream(disk: Path, path: Path) -> Path:
    """Have qemu-img write a stream, with zeros behind its marker."""
    return qemu_img("vmdk", disk, path, "-o", "subformat=streamOptimized")


def xencenter(folder: Path, disk: Path) -> Path:
    """Write a folder as XenCenter does."""
    qemu_img("vpc", disk, folder / "xen disk.vhd", "-o", "force_size=on")
    (folder / "vm.ovf").write_text(XENCENTER.format(namespaces=NAMESPACES))
    return folder / "vm.ovf"


def by_hand(folder: Path, disk: Path) -> Path:
    """Write an archive as a script does that puts a template around what qemu-img wrote."""
    image = stream(disk, folder / "disk.vmdk")
    descriptor = BY_HAND.format(namespaces=NAMESPACES).encode()
    manifest = manifest_text([("disk.vmdk", image)], algorithm="SHA256", spelling="virtualbox")
    return write_tar(
        folder / "hand.ova",
        [("disk.vmdk", image), ("vm.ovf", descriptor), ("vm.mf", manifest.encode())],
        format="gnu",
    )


def by_qemu(folder: Path, disk: Path) -> Path:
    """Write an archive with more wrong: no units, no infos, an image under another name."""
    image = stream(disk, folder / "image.vmdk")
    descriptor = BY_QEMU.format(namespaces=NAMESPACES).encode()
    return write_tar(
        folder / "qemu.ova", [("vm.ovf", descriptor), ("disk image.img", image)], format="pax"
    )


def ovirt(folder: Path, disk: Path) -> Path:
    """Write an archive as oVirt's engine does."""
    image = qemu_img("qcow2", disk, folder / "image.qcow2")
    subprocess.run(["qemu-img", "resize", "-q", image, "1G"], check=True)
    size = -(-image.stat().st_size // 512) * 512
    with image.open("r+b") as file:
        file.truncate(size)
    text = OVIRT.format(image=IMAGE, disk=DISK, machine=MACHINE, size=size).encode()
    padding = bytes(-(1024 + (len(text) + 511) // 512 * 512 + 1024 + 1024) % 4096)
    members: list[Member] = [("vm.ovf", text), ("nvram.dat", b"H4sIAAAA="), ("pad", padding)]
    return write_tar(folder / "shop.ova", [*members, (IMAGE, image)], format="gnu")
