"""An OVA becomes a machine for libvirt: rehost against tar, sha256sum and qemu-img.

``python -m benchmarks.ova [--json FILE]``. The disk is an ext4 file system with libraries of this
computer in it, 8 GiB large, packed as a streamOptimized VMDK by qemu-img. rehost makes its result
durable before it gives it its name; the peers are measured as they are, and followed by ``sync``.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from benchmarks.measure import Contestant, as_json, compare, program, table

TREE = Path(sysconfig.get_path("stdlib")).parent
DISK_SIZE = 8 << 30

DESCRIPTOR = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
 <References><File ovf:id="file1" ovf:href="disk.vmdk"/></References>
 <DiskSection><Info>Disks</Info>
  <Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="{size}"
   ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
 </DiskSection>
 <VirtualSystem ovf:id="bench"><Info>A machine</Info>
  <VirtualHardwareSection><Info>Hardware</Info>
   <Item><rasd:ElementName>cpu</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
    <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
   <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
    <rasd:ElementName>memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID>
    <rasd:ResourceType>4</rasd:ResourceType>
    <rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
   <Item><rasd:Address>0</rasd:Address><rasd:ElementName>scsi</rasd:ElementName>
    <rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
    <rasd:ResourceType>6</rasd:ResourceType></Item>
   <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk</rasd:ElementName>
    <rasd:HostResource>ovf:/disk/disk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID>
    <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
  </VirtualHardwareSection>
 </VirtualSystem>
</Envelope>
"""


def build(folder: Path) -> Path:
    """Make the OVA in ``folder`` and return it."""
    raw, ova = folder / "disk.raw", folder / "bench.ova"
    with raw.open("wb") as file:
        file.truncate(DISK_SIZE)
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(TREE), str(raw))
    stream = ("-O", "vmdk", "-o", "subformat=streamOptimized")
    _run("qemu-img", "convert", "-W", "-m", "16", *stream, str(raw), str(folder / "disk.vmdk"))
    raw.unlink()
    (folder / "bench.ovf").write_text(DESCRIPTOR.format(size=DISK_SIZE))
    lines = (f"SHA256({name})= {_digest(folder / name)}\n" for name in ("bench.ovf", "disk.vmdk"))
    (folder / "bench.mf").write_text("".join(lines))
    members = ("bench.ovf", "bench.mf", "disk.vmdk")
    _run("tar", "--format=ustar", "-C", str(folder), "-cf", str(ova), *members)
    return ova


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rehost-bench-") as name:
        folder = Path(name)
        ova, out = build(folder), folder / "out"
        rehost = str(Path(sys.executable).with_name("rehost"))
        convert = (rehost, "-q", "convert", str(ova), "--to", "libvirt", "-o", str(out))
        image = out / "theirs.qcow2"
        qcow2 = ("convert", "-W", "-m", "16", "-O", "qcow2")
        theirs = (
            (program("tar"), "-C", str(out), "-xf", str(ova)),
            (program("sha256sum"), str(out / "disk.vmdk")),
            (program("qemu-img"), *qcow2, str(out / "disk.vmdk"), str(image)),
        )
        synced = (*theirs, (program("sync"), str(image)))
        comparisons = [
            compare(
                f"OVA -> qcow2 and domain XML, manifest checked, {durable}",
                Contestant("rehost", (convert,), out / "bench-disk1.qcow2"),
                Contestant("tar, sha256sum, qemu-img", steps, image),
                clean=lambda: _empty(out),
            )
            for durable, steps in (("ours synced", theirs), ("both synced", synced))
        ]
    print(table(comparisons))
    if chosen.json:
        chosen.json.write_text(as_json(comparisons))


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _run(name: str, *arguments: str) -> None:
    subprocess.run([program(name), *arguments], check=True, stdout=subprocess.DEVNULL)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
