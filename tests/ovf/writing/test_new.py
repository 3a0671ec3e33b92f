"""``rehost ovf new``: packages from options and machines, as xmllint and our readers see them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ovf.edit.create import created
from ovf.edit.machines import put_machine
from ovf.judging.validate import validate
from ovf.package import Package
from ovf.writing.write import held
from rehost.errors import UsageError
from rehost.machine import (
    Address,
    BootDevice,
    Bus,
    Controller,
    ControllerModel,
    Disk,
    Firmware,
    GuestOs,
    Machine,
    MediaKind,
    Nic,
    NicModel,
    Origin,
    Removable,
    Serial,
    SerialKind,
)
from tests.support.packages import SIZE, Said, raw_disk, rehost, stream
from tests.support.streams import end_at_marker

CORPUS = Path(os.environ.get("REHOST_CORPUS", Path(__file__).parents[3] / "../shared/corpus"))
SCHEMAS = {"1": "ovf-1.1.0/local/dsp8023_1.1.0.xsd", "2": "ovf-2.0.1/local/dsp8023_2.0.1.xsd"}
OPTIONS = (
    *("--name", "my box", "--cpus", "2", "--memory", "2G", "--empty-disk", "10G", "--nic", "lan"),
    *("--nic", "wan", "--nic-type", "E1000", "--os", "96", "--hardware", "vmx-13"),
    *("--annotation", "Made & tested"),
)
EXPECTED = {"MAN-003"}
"""SHA256, which the text of OVF 1.x does not know."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return end_at_marker(stream(raw_disk(tmp_path / "raw"), tmp_path / "disk.vmdk"))


def seen(done: Said, folder: Path) -> tuple[int, str, str]:
    return done.code, done.out.replace(f"{folder}/", ""), done.err.replace(f"{folder}/", "")


def inspected(source: Path) -> Any:
    done = rehost("inspect", source, "--json")
    [found] = json.loads(done.out)["machines"]
    return found["machine"] | {"origin": None}


def valid(content: bytes, version: str) -> bool:
    """Ask xmllint and the DMTF's schema; without the corpus there is none to ask."""
    schema = CORPUS / "schemas" / SCHEMAS[version]
    if not schema.exists():
        return True
    argv = ["xmllint", "--nonet", "--noout", "--schema", str(schema), "-"]
    return subprocess.run(argv, input=content, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_package_from_options_is_sound(tmp_path: Path, image: Path, version: str) -> None:
    (tmp_path / "medium.iso").write_bytes(bytes(2048))
    files = ("--disk", image, "--cdrom", tmp_path / "medium.iso")
    path = tmp_path / "x.ova"
    done = rehost("ovf", "new", path, *OPTIONS, *files, "--ovf-version", version)
    assert seen(done, tmp_path) == (0, "wrote x.ova\n", "")
    package = Package.open(path)
    assert package.names() == ("my box.ovf", "my box.mf", "disk.vmdk", "medium.iso")
    assert valid(package.descriptor.content, version)
    assert {found.rule for found in validate(package)} <= EXPECTED
    machine = inspected(path)
    assert (machine["name"], machine["vcpus"], machine["memory"]) == ("my box", 2, 2 << 30)
    assert [disk["size"] for disk in machine["disks"]] == [SIZE, 10 << 30]
    assert [nic["network"] for nic in machine["nics"]] == ["lan", "wan"]
    assert (machine["guest_os"]["cim"], machine["description"]) == (96, "Made & tested")


def test_the_least_package(tmp_path: Path) -> None:
    done = rehost("ovf", "new", tmp_path / "box.ovf")
    assert seen(done, tmp_path) == (0, "wrote box.ovf\nwrote box.mf\n", "")
    assert valid((tmp_path / "box.ovf").read_bytes(), "1")
    machine = inspected(tmp_path / "box.ovf")
    assert (machine["name"], machine["vcpus"], machine["memory"]) == ("box", 1, 1 << 30)


def test_a_machine_that_was_inspected_comes_back_the_same(tmp_path: Path, image: Path) -> None:
    first, second = tmp_path / "first.ova", tmp_path / "second.ova"
    done = rehost("ovf", "new", first, *OPTIONS, "--disk", image)
    assert done.code == 0
    (tmp_path / "machine.json").write_text(rehost("inspect", first, "--json").out)
    done = rehost("ovf", "new", second, "--from", tmp_path / "machine.json")
    assert seen(done, tmp_path) == (0, "wrote second.ova\n", "")
    assert inspected(second) == inspected(first)
    disks = [Package.open(path).member("disk.vmdk") for path in (first, second)]
    assert disks[0].pread(0, SIZE) == disks[1].pread(0, SIZE)


def test_what_the_package_cannot_say_of_a_machine_is_told() -> None:
    machine = Machine(
        name="box",
        origin=Origin("libvirt", "box.xml"),
        uuid="0" * 8,
        memory=1 << 30,
        vcpus=2,
        firmware=Firmware.UEFI,
        secure_boot=True,
        guest_os=GuestOs(name="Haiku", vmware="other"),
        boot_order=(BootDevice.DISK,),
        controllers=(
            Controller(Bus.SCSI, 0, ControllerModel.PVSCSI),
            Controller(Bus.IDE, 0, ControllerModel.PIIX4),
            Controller(Bus.USB, 0),
        ),
        disks=(
            Disk(Address(Bus.SCSI, 0, 3), 1 << 30),
            Disk(Address(Bus.VIRTIO, 0, 0), 1 << 30, serial="s"),
        ),
        removables=(
            Removable(MediaKind.CDROM, Address(Bus.IDE, 0, 2)),
            Removable(MediaKind.FLOPPY),
        ),
        nics=(
            Nic(NicModel.VMXNET3, "00:50:56:00:00:01", "lan", connected=False),
            Nic(NicModel.IGB),
        ),
        serials=(Serial(SerialKind.TCP, "h:1"),),
    )
    draft = created("box")
    put_machine(draft, machine, lambda name: held(name, b""))
    assert draft.notes == [
        "a controller of usb is not in the package",
        "uuid is not in the package (00000000)",
        "boot_order is not in the package (disk)",
        "disks[1].address is not in the package (virtio0:0)",
        "disks[1].serial is not in the package (s)",
        "removables[1] is not in the package",
        "nics[1].model is not in the package (igb)",
        "serials[0].kind is not in the package (tcp)",
        "serials[0].target is not in the package (h:1)",
    ]
    assert valid(draft.content, "1")
    text = draft.content.decode()
    for said in (
        'vmw:key="firmware" vmw:value="efi"',
        'vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"',
        'ovf:id="1" vmw:osType="other"',
        "<rasd:AddressOnParent>3</rasd:AddressOnParent>",
        "<rasd:Address>00:50:56:00:00:01</rasd:Address>",
        "<rasd:AutomaticAllocation>false</rasd:AutomaticAllocation>",
        "<rasd:ElementName>IDE Controller 1</rasd:ElementName>",
    ):
        assert said in text, said


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "latin.json").write_bytes(b'{"kind": "\xe4"}')
    (tmp_path / "none.json").write_text('{"kind": "disk", "path": "x", "machines": []}')
    cases: list[tuple[tuple[str | Path, ...], int, str]] = [
        (("--from", tmp_path / "none.json"), 2, "none.json: describes no machine\n"),
        (
            ("--from", tmp_path / "bad.json"),
            3,
            "bad.json: is not what `rehost inspect --json` prints"
            " (Object missing required field `kind`)\n",
        ),
        (
            ("--from", tmp_path / "latin.json"),
            3,
            "latin.json: is not what `rehost inspect --json` prints"
            " ('utf-8' codec can't decode byte 0xe4 in position 0: unexpected end of data)\n",
        ),
        (
            ("--nic-type", "E1000"),
            2,
            "there is no adapter to be of a type\nhint: Add one: --nic NETWORK.\n",
        ),
        (
            ("--machine", "b"),
            2,
            "--machine says nothing by itself\nhint: Pass --from JSON, too.\n",
        ),
        (("--cpus", "0"), 2, "is an impossible number of processors (0)\n"),
        (("--memory", "0"), 2, "is an impossible size of memory (0)\n"),
        (("--name", "a/b"), 2, "is no name for a machine ('a/b')\n"),
        (("--disk", tmp_path / "missing.vmdk"), 3, "missing.vmdk: no such file\n"),
    ]
    for options, code, message in cases:
        done = rehost("ovf", "new", tmp_path / "x.ova", *options)
        assert seen(done, tmp_path) == (code, "", f"error: {message}")
        assert not (tmp_path / "x.ova").exists()


def test_one_of_several_machines_is_named(tmp_path: Path) -> None:
    machine = {"name": "a", "origin": {"format": "x", "file": "y"}}
    subjects = [{"machine": machine}, {"machine": machine | {"name": "b"}}]
    text = json.dumps({"kind": "configuration", "path": "x", "machines": subjects})
    (tmp_path / "two.json").write_text(text)
    done = rehost("ovf", "new", tmp_path / "x.ova", "--from", tmp_path / "two.json")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: two.json: describes 2 machines ('a', 'b')\n"
        "hint: Choose one by its name: --machine NAME.\n",
    )
    chosen = ("--from", tmp_path / "two.json", "--machine", "b")
    assert rehost("ovf", "new", tmp_path / "x.ova", *chosen).code == 0
    assert inspected(tmp_path / "x.ova")["name"] == "b"


def test_a_name_of_nothing_is_none() -> None:
    with pytest.raises(UsageError) as caught:
        created(" ")
    assert str(caught.value) == "is no name for a machine (' ')"
