"""``rehost boot`` as it is called: real boots, whole outputs, exit codes."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from p2v.boot.cli import boot
from rehost.errors import InteropError, RefusedError
from tests.support import boot_sectors
from tests.support.boot_sectors import saying

pytestmark = pytest.mark.qemu

SECONDS = re.compile(r"after [0-9.]+ s")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(boot, ["--accel", "tcg", *arguments])


def refused(*arguments: str) -> InteropError:
    error = call(*arguments).exception
    assert isinstance(error, InteropError)
    return error


def steady(text: str) -> str:
    return SECONDS.sub("after N s", text)


def test_a_bare_disk_is_booted_and_judged(tmp_path: Path) -> None:
    boot_sectors.disk(tmp_path / "web.raw", saying("web login: "))
    done = call("web.raw", "--timeout", "30")
    assert steady(done.stdout).splitlines() == [
        "web: booted after N s under tcg",
        "  seen: web login:",
        "  serial log: web-boot/serial.log",
        "  screen: web-boot/screen.png",
    ]
    assert done.stderr.splitlines() == [
        "web: firmware not said, so bios; --firmware uefi is the other",
        "web: booting under tcg, for 30 s at most",
    ]
    assert done.exit_code == 0


def test_a_disk_that_does_not_boot_gives_exit_code_1(tmp_path: Path) -> None:
    boot_sectors.disk(tmp_path / "web.raw")
    done = call("web.raw", "--timeout", "30", "--evidence", "kept", "--junit", "boot.xml")
    assert steady(done.stdout).splitlines() == [
        "web: did not boot (no-boot-device) after N s under tcg",
        "  seen: No bootable device.",
        "  serial log: kept/serial.log",
        "  screen: kept/screen.png",
    ]
    assert done.exit_code == 1
    assert JUnitXml.fromfile("boot.xml").failures == 1


def test_json_is_all_there_is_on_standard_output(tmp_path: Path) -> None:
    boot_sectors.disk(tmp_path / "web.raw", saying("UP 7\r\n"))
    done = call("web.raw", "--json", "--expect", r"^UP \d", "--memory", "64")
    (verdict,) = json.loads(done.stdout)["verdicts"]
    assert (verdict["booted"], verdict["evidence"]) == (True, "UP 7")
    assert " -m 64M " in Path("web-boot/command.txt").read_text()


def test_the_hardware_can_be_chosen(tmp_path: Path) -> None:
    boot_sectors.disk(tmp_path / "web.raw", saying("UP\r\n"))
    assert call("web.raw", "--expect", "UP", "--hardware", "virtio").exit_code == 0
    assert "virtio-blk-pci" in Path("web-boot/command.txt").read_text()


def test_the_firmware_can_be_chosen(tmp_path: Path) -> None:
    boot_sectors.disk(tmp_path / "web.raw")
    done = call("web.raw", "--firmware", "uefi", "--timeout", "90")
    assert "  seen: UEFI Interactive Shell v2.2" in done.stdout.splitlines()
    assert done.stderr.splitlines() == ["web: booting under tcg, for 90 s at most"]


def test_words_that_are_no_expression_are_a_usage_error(tmp_path: Path) -> None:
    boot_sectors.disk(tmp_path / "web.raw")
    done = call("web.raw", "--expect", "(")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "Error: Invalid value for '--expect': '(' is no regular expression"
        " (missing ), unterminated subpattern at position 0)"
    )


def test_earlier_evidence_is_kept_unless_force_is_given(tmp_path: Path) -> None:
    boot_sectors.disk(tmp_path / "web.raw", saying("web login: "))
    assert call("web.raw").exit_code == 0
    error = refused("web.raw")
    assert (type(error), str(error)) == (RefusedError, "web-boot/serial.log: exists already")
    assert error.hint == "Name another output, or pass --force to replace it."
    assert call("web.raw", "--force").exit_code == 0


@pytest.mark.parametrize("disk_format", ["qcow2", "vmdk"])
def test_an_image_is_booted_in_its_own_format(tmp_path: Path, disk_format: str) -> None:
    raw = boot_sectors.disk(tmp_path / "web.raw", saying("UP\r\n"))
    image = tmp_path / f"image.{disk_format}"
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", disk_format, raw, image], check=True, timeout=60
    )
    before = image.read_bytes()
    assert call(image.name, "--expect", "UP").exit_code == 0
    assert image.read_bytes() == before
    assert f"driver={disk_format}," in Path("image-boot/command.txt").read_text()


def test_an_image_may_not_name_a_file_outside_its_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    secret = boot_sectors.disk(tmp_path / "secret.raw", saying("UP\r\n"))
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", "web.qcow2"],
        cwd=inside,
        check=True,
        timeout=60,
    )
    error = refused("inside/web.qcow2", "--expect", "UP")
    expected = f"inside/web.qcow2: names a file outside its own folder ('{secret}')"
    assert (type(error), str(error)) == (RefusedError, expected)
    assert not (tmp_path / "web-boot").exists()


OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References>
    <File ovf:id="f1" ovf:href="web.vmdk" ovf:size="{size}"{compression}/>
  </References>
  <DiskSection><Info>Disks</Info>
    <Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="1048576"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <VirtualSystem ovf:id="web"><Info>A machine</Info><Name>web</Name>
    <VirtualHardwareSection><Info>Hardware</Info>
      <Item><rasd:ElementName>cpu</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>ide</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/d1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def write_ova(path: Path, member: bytes, compression: str = "", flat: bytes = b"") -> Path:
    parts = {"web.vmdk": member} | ({"web-flat.vmdk": flat} if flat else {})
    document = OVF.format(size=len(member), compression=compression).encode()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in {"web.ovf": document, **parts}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("more", [0, 100])
def test_a_compressed_disk_inside_an_ova_is_booted_where_it_lies(tmp_path: Path, more: int) -> None:
    raw = boot_sectors.disk(tmp_path / "web.raw", saying("UP\r\n"))
    image = tmp_path / "web.vmdk"
    options = ["-O", "vmdk", "-o", "subformat=streamOptimized"]
    subprocess.run(["qemu-img", "convert", *options, raw, image], check=True, timeout=60)
    ova = write_ova(tmp_path / "web.ova", image.read_bytes() + bytes(more))
    before = ova.read_bytes()
    done = call("web.ova", "--expect", "UP")
    assert steady(done.stdout).splitlines()[:2] == ["web: booted after N s under tcg", "  seen: UP"]
    assert ova.read_bytes() == before
    command = Path("web-boot/command.txt").read_text()
    with tarfile.open(ova) as tar:
        offset = tar.getmember("web.vmdk").offset_data
    size = image.stat().st_size + (512 if more else 0)
    window = f"file.driver=raw,file.offset={offset},file.size={size}"
    assert f"driver=vmdk,{window},file.file.driver=file" in command


def in_an_ova(folder: Path, subformat: str) -> dict[str, bytes]:
    """Have qemu-img write a disk that says UP, and return its files."""
    raw = boot_sectors.disk(folder / "web.raw", saying("UP\r\n"))
    options = ["-O", "vmdk", "-o", f"subformat={subformat}"]
    subprocess.run(["qemu-img", "convert", *options, raw, folder / "web.vmdk"], check=True)
    return {path.name: path.read_bytes() for path in sorted(folder.glob("web*.vmdk"))}


@pytest.mark.parametrize("packed", [True, False])
def test_what_cannot_be_opened_where_it_is_is_converted_first(
    tmp_path: Path, *, packed: bool
) -> None:
    if packed:
        [image] = in_an_ova(tmp_path, "streamOptimized").values()
        content = gzip.compress(image, mtime=0)
        write_ova(tmp_path / "web.ova", content, ' ovf:compression="gzip"')
    else:
        files = in_an_ova(tmp_path, "monolithicFlat")
        write_ova(tmp_path / "web.ova", files["web.vmdk"], flat=files["web-flat.vmdk"])
    done = call("web.ova", "--timeout", "30", "--expect", "^UP", "--evidence", "seen/web")
    assert steady(done.stdout).splitlines()[:2] == ["web: booted after N s under tcg", "  seen: UP"]
    assert [path.name for path in (tmp_path / "seen").iterdir()] == ["web"]
