"""``rehost ovf new``: packages from options and machines, as xmllint and our readers see them."""

from __future__ import annotations

import json
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
from tests.ovf.schema.published import FOLDER, accepted
from tests.support.packages import SIZE, raw_disk, rehost, seen, stream
from tests.support.streams import end_at_marker

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


def inspected(source: Path) -> Any:
    done = rehost("inspect", source, "--json")
    [found] = json.loads(done.out)["machines"]
    return found["machine"] | {"origin": None}


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_package_from_options_is_sound(tmp_path: Path, image: Path, version: str) -> None:
    (tmp_path / "medium.iso").write_bytes(bytes(2048))
    files = ("--disk", image, "--cdrom", tmp_path / "medium.iso")
    path = tmp_path / "x.ova"
    done = rehost("ovf", "new", path, *OPTIONS, *files, "--ovf-version", version)
    assert seen(done, tmp_path) == (0, "wrote x.ova\n", "")
    package = Package.open(path)
    assert package.names() == ("my box.ovf", "my box.mf", "disk.vmdk", "medium.iso")
    assert accepted(package.descriptor.content, FOLDER / SCHEMAS[version])
    assert {found.rule for found in validate(package)} <= EXPECTED
    machine = inspected(path)
    assert (machine["name"], machine["vcpus"], machine["memory"]) == ("my box", 2, 2 << 30)
    assert [disk["size"] for disk in machine["disks"]] == [SIZE, 10 << 30]
    assert [nic["network"] for nic in machine["nics"]] == ["lan", "wan"]
    assert (machine["guest_os"]["cim"], machine["description"]) == (96, "Made & tested")


def test_the_least_package(tmp_path: Path) -> None:
    done = rehost("ovf", "new", tmp_path / "box.ovf")
    assert seen(done, tmp_path) == (0, "wrote box.ovf\nwrote box.mf\n", "")
    assert accepted((tmp_path / "box.ovf").read_bytes(), FOLDER / SCHEMAS["1"])
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
    assert accepted(draft.content, FOLDER / SCHEMAS["1"])
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


def described(folder: Path, *names: str) -> Path:
    """Write what `inspect --json` says of machines without disks."""
    machine = {"origin": {"format": "x", "file": "y"}}
    subjects = [{"machine": machine | {"name": name}} for name in names]
    path = folder / "machines.json"
    path.write_text(json.dumps({"kind": "configuration", "path": "x", "machines": subjects}))
    return path


def test_one_of_several_machines_is_named(tmp_path: Path) -> None:
    source = described(tmp_path, "a", "b")
    chosen = ("--from", source, "--machine", "b")
    assert rehost("ovf", "new", tmp_path / "x.ova", *chosen).code == 0
    assert inspected(tmp_path / "x.ova")["name"] == "b"
    done = rehost("ovf", "new", tmp_path / "y.ova", "--from", source, "--machine", "c")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: machines.json: describes no machine 'c'\nhint: There are 'a', 'b'.\n",
    )


def test_options_of_a_machine_are_not_for_several(tmp_path: Path) -> None:
    source = described(tmp_path, "a", "b")
    done = rehost("ovf", "new", tmp_path / "x.ova", "--from", source, "--cpus", "2")
    assert seen(done, tmp_path) == (
        2,
        "",
        "error: 2 machines are described, and an option is for one\n"
        "hint: Make the package, then change one: `rehost ovf set --system ID`.\n",
    )


@pytest.mark.parametrize("version", ["1", "2"])
def test_several_machines_become_a_collection(tmp_path: Path, image: Path, version: str) -> None:
    """Networks are shared, disks kept apart; two machines of one name have ids of their own."""
    sources: list[str | Path] = []
    machines = []
    for number, network in enumerate(("lan", "lan", "dmz")):
        path = tmp_path / f"{number}.ova"
        options = ("--name", "box", "--cpus", str(number + 1), "--nic", network, "--bus", "sata")
        assert rehost("ovf", "new", path, *options, "--disk", image).code == 0
        machines.append(inspected(path))
        (tmp_path / f"{number}.json").write_text(rehost("inspect", path, "--json").out)
        sources += ["--from", tmp_path / f"{number}.json"]
    dest = tmp_path / "shop.ova"
    done = rehost("ovf", "new", dest, *sources, "--ovf-version", version)
    assert (done.code, done.out) == (0, f"wrote {dest}\n")
    package = Package.open(dest)
    assert accepted(package.descriptor.content, FOLDER / SCHEMAS[version])
    assert [network.name for network in package.envelope.networks] == ["lan", "dmz"]
    ids = [package.envelope.attribute(each, "id") for each in package.envelope.systems]
    assert ids == ["box", "box-2", "box-3"]
    files = [name for name in package.names() if name.endswith(".vmdk")]
    assert files == ["disk.vmdk", "box-2-disk.vmdk", "box-3-disk.vmdk"]
    made = json.loads(rehost("inspect", dest, "--json").out)["machines"]
    for before, after, file in zip(
        machines, (each["machine"] for each in made), files, strict=True
    ):
        assert [disk.pop("file") for disk in after["disks"]] == [file]
        assert [disk.pop("file") for disk in before["disks"]] == ["disk.vmdk"]
        assert before | {"origin": None} == after | {"origin": None}


def test_one_machine_of_a_collection_is_removed_with_what_is_its_own(
    tmp_path: Path, image: Path
) -> None:
    sources: list[str | Path] = []
    for name in ("web", "db"):
        path = tmp_path / f"{name}.ova"
        options = ("--disk", image, "--nic", "lan")
        assert rehost("ovf", "new", path, *options).code == 0
        (tmp_path / f"{name}.json").write_text(rehost("inspect", path, "--json").out)
        sources += ["--from", tmp_path / f"{name}.json"]
    shop, left = tmp_path / "shop.ova", tmp_path / "left.ova"
    assert rehost("ovf", "new", shop, *sources).code == 0
    done = rehost("ovf", "remove", "system", shop, "web", "-o", left)
    assert seen(done, tmp_path) == (0, "wrote left.ova\n", "")
    package = Package.open(left)
    assert sorted(package.names()) == ["db-disk.vmdk", "shop.mf", "shop.ovf"]
    assert accepted(package.descriptor.content, FOLDER / SCHEMAS["1"])
    [found] = json.loads(rehost("inspect", left, "--json").out)["machines"]
    assert (found["machine"]["name"], len(found["machine"]["disks"])) == ("db", 1)
    for path, name, message in (
        (left, "db", "is the last machine of its collection ('db')"),
        (tmp_path / "db.ova", "db", "is the only machine, and no package is without one ('db')"),
    ):
        done = rehost("ovf", "remove", "system", path, name, "--in-place")
        assert (done.code, message in done.err) == (2, True)


def test_one_machine_of_a_collection_is_changed_shown_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "shop.ova"
    assert rehost("ovf", "new", path, "--from", described(tmp_path, "web", "db")).code == 0
    again = ("--in-place", "--system", "db")
    assert rehost("ovf", "set", path, *again, "--cpus", "4", "--memory", "2G").code == 0
    assert rehost("ovf", "add", "nic", path, *again, "--network", "lan").code == 0
    shown = rehost("ovf", "show", path).out.split("Virtual system ")[1:]
    assert shown[0].startswith("'web' in 'shop'")
    assert "4 processors, 2 GiB of memory, 0 disks, 1 network adapter" in shown[1]
    assert rehost("ovf", "remove", "nic", path, "Ethernet adapter 1", *again).code == 0
    left = rehost("ovf", "show", path).out
    assert "4 processors, 2 GiB of memory, 0 disks, 0 network adapters" in left
    out = tmp_path / "out"
    assert rehost("convert", path, "--to", "libvirt", "-o", out).code == 0
    names = sorted(each.stem for each in out.rglob("*.xml"))
    assert names == ["db", "web"]


def test_a_name_of_nothing_is_none() -> None:
    with pytest.raises(UsageError) as caught:
        created(" ")
    assert str(caught.value) == "is no name for a machine (' ')"
