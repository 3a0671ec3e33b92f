"""Packages as three producers write them, mended for an importer: it takes them, and they boot.

The disks are written by qemu-img: a stream with zeros behind its marker, a VHD.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.qemu_command import Accelerator
from converters.sources import open_source
from p2v.boot.sources import machines_in
from p2v.boot.trial import boot
from rehost.machine import Firmware
from rehost.verdict import Cause
from tests.support.appliance import build_disk, build_ova
from tests.support.appliance.ova import manifest_text, write_tar
from tests.support.packages import rehost

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

MARKER = re.compile("^REHOST-MARKER booted", re.MULTILINE)
SECONDS = 240.0
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


def qemu_img(form: str, path: Path, *options: str) -> Path:
    """Have qemu-img write the appliance's disk in a format."""
    disk = build_disk(Firmware.BIOS)
    argv = ["qemu-img", "convert", "-f", "raw", "-O", form, *options, str(disk), str(path)]
    subprocess.run(argv, check=True)
    return path


def stream(path: Path) -> Path:
    return qemu_img("vmdk", path, "-o", "subformat=streamOptimized")


def virtualbox(folder: Path) -> Path:
    """Return VirtualBox's package with the disk as qemu-img writes it, and a manifest of SHA1."""
    with tarfile.open(build_ova("virtualbox", Firmware.BIOS)) as archive:
        archive.extractall(folder, filter="data")
    descriptor, disk = next(folder.glob("*.ovf")), next(folder.glob("*.vmdk"))
    stream(disk)
    files = [(each.name, each) for each in (descriptor, disk)]
    manifest = manifest_text(files, algorithm="SHA1", spelling="virtualbox").encode()
    return write_tar(folder / "vbox.ova", [*files, (f"{descriptor.stem}.mf", manifest)])


def xencenter(folder: Path) -> Path:
    qemu_img("vpc", folder / "xen disk.vhd", "-o", "force_size=on")
    (folder / "vm.ovf").write_text(XENCENTER.format(namespaces=NAMESPACES))
    return folder / "vm.ovf"


def by_hand(folder: Path) -> Path:
    disk = stream(folder / "disk.vmdk")
    descriptor = BY_HAND.format(namespaces=NAMESPACES).encode()
    manifest = manifest_text([("disk.vmdk", disk)], algorithm="SHA256", spelling="virtualbox")
    return write_tar(
        folder / "hand.ova",
        [("disk.vmdk", disk), ("vm.ovf", descriptor), ("vm.mf", manifest.encode())],
        format="gnu",
    )


@pytest.mark.parametrize(
    ("make", "target", "rules"),
    [
        (virtualbox, "vmware-esxi-8", {"VMW-001", "DSK-014", "ITM-007", "MAN-008"}),
        (xencenter, "xcp-ng", {"XEN-002", "XEN-005", "REF-003", "REF-006", "VHS-008"}),
        (by_hand, "virt-v2v", {"V2V-003", "V2V-004", "DSK-004", "DSK-014", "PKG-012", "PKG-011"}),
    ],
    ids=["virtualbox", "xencenter", "by-hand"],
)
def test_what_was_mended_is_taken_and_boots(
    tmp_path: Path, make: Callable[[Path], Path], target: str, rules: set[str]
) -> None:
    source, dest = make(tmp_path), tmp_path / "mended.ova"
    done = rehost("validate", source, "--target", target, "--fix", dest)
    told = {line.rpartition("[")[2].rstrip("]") for line in done.out.split("\n\n")[0].splitlines()}
    assert rules <= told
    again = rehost("validate", dest, "--target", target)
    assert (done.code, again.code, again.err) == (0, 0, "")
    assert f"{target}.0 will import" in again.out or f"{target} will import" in again.out
    (found,) = machines_in(open_source(dest))
    verdict = boot(
        found.machine,
        found.disks,
        media=found.media,
        evidence=tmp_path / "evidence",
        timeout=SECONDS,
        expect=MARKER,
        wish=Accelerator.TCG,
    )
    assert verdict.cause is Cause.BOOTED
    assert " disks=sda:268435456" in verdict.evidence
