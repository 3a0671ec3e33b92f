"""Machines as QEMU's arguments: what they say, and that QEMU takes them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from converters import qemu_probe
from converters.qemu_command import (
    NICS,
    PROGRAM,
    SOUNDS,
    Accelerator,
    Host,
    arguments,
    chipset,
    processor,
)
from converters.qemu_firmware import Flash, installed
from converters.qemu_storage import CHIPS, DRIVERS, Drive
from rehost.errors import EnvironmentFailureError, UnsupportedInputError
from rehost.machine import (
    Address,
    BootDevice,
    Bus,
    ClockOffset,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Firmware,
    Machine,
    MediaKind,
    Nic,
    NicModel,
    Origin,
    Removable,
    Serial,
    Sound,
    SoundModel,
    Topology,
)

MIB = 1 << 20
BARE = Machine("web", Origin("test", "test"))
COMMON = ["-nodefaults", "-no-user-config", "-name", "guest=web"]


def accepted(machine: Machine, host: Host) -> str:
    """Have QEMU build the machine without running it; return what it complains of."""
    done = subprocess.run(
        [
            *[PROGRAM, *processor(machine, Accelerator.TCG), *arguments(machine, host)],
            *["-display", "none", "-S", "-qmp", "stdio"],
        ],
        input='{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n',
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr


def refusal(machine: Machine, host: Host | None = None) -> tuple[str, str]:
    with pytest.raises(UnsupportedInputError) as refused:
        arguments(machine, host or Host())
    return str(refused.value), refused.value.hint


def after(option: str, words: list[str]) -> list[str]:
    """Return the values of an option, in their order."""
    return [value for name, value in pairwise(words) if name == option]


def test_a_machine_that_says_nothing_gets_the_usual() -> None:
    assert arguments(BARE, Host()) == [
        *COMMON,
        *["-machine", "q35", "-m", "1024M", "-smp", "1", "-boot", "strict=on", "-vga", "std"],
    ]


def test_a_whole_machine_is_said_in_order() -> None:
    machine = replace(
        BARE,
        uuid="0d5a3e3c-0b6e-4f6e-9f5e-8d6f1d2c3b4a",
        memory=2048 * MIB,
        vcpus=4,
        topology=Topology(1, 2, 2),
        clock=ClockOffset.LOCALTIME,
        machine_type="pc-i440fx-7.2",
        controllers=(Controller(Bus.SCSI, 0, ControllerModel.PVSCSI),),
        disks=(
            Disk(address=Address(Bus.SCSI, 0, 0), serial="A,1"),
            Disk(address=Address(Bus.VIRTIO, 0, 0)),
        ),
        removables=(Removable(MediaKind.CDROM), Removable(MediaKind.FLOPPY)),
        nics=(Nic(NicModel.VMXNET3, "00:50:56:00:00:01"), Nic()),
        sounds=(Sound(SoundModel.HDA),),
        boot_order=(BootDevice.CDROM, BootDevice.NETWORK, BootDevice.DISK),
    )
    host = Host(
        disks=[Drive("/v/a,b.qcow2", "qcow2"), Drive("/v/x.ova", "vmdk", 512, 1024)],
        media=[Drive("/v/cd.iso"), None],
    )
    assert arguments(machine, host) == [
        *COMMON,
        *["-uuid", "0d5a3e3c-0b6e-4f6e-9f5e-8d6f1d2c3b4a", "-machine", "pc", "-m", "2048M"],
        *["-smp", "4,sockets=1,cores=2,threads=2", "-rtc", "base=localtime"],
        *["-boot", "strict=on", "-device", "pvscsi,id=scsi0"],
        "-drive",
        "if=none,id=disk0,driver=qcow2,file.driver=file,file.filename=/v/a,,b.qcow2",
        "-device",
        "scsi-hd,bus=scsi0.0,scsi-id=0,id=disk0-device,drive=disk0,serial=A,,1,bootindex=3",
        "-drive",
        "if=none,id=disk1,driver=vmdk,file.driver=raw,file.offset=512,file.size=1024,"
        "file.file.driver=file,file.file.filename=/v/x.ova",
        *["-device", "virtio-blk-pci,id=disk1-device,drive=disk1,bootindex=4"],
        "-drive",
        "if=none,id=cdrom0,driver=raw,file.driver=file,file.filename=/v/cd.iso,"
        "media=cdrom,readonly=on",
        *["-device", "ide-cd,bus=ide.0,unit=0,id=cdrom0-device,drive=cdrom0,bootindex=0"],
        *["-device", "floppy,unit=0,id=floppy0-device"],
        *["-netdev", "user,id=net0", "-device"],
        "vmxnet3,id=nic0,netdev=net0,mac=00:50:56:00:00:01,bootindex=1",
        *["-netdev", "user,id=net1", "-device", "e1000,id=nic1,netdev=net1,bootindex=2"],
        *["-vga", "std", "-audiodev", "none,id=audio0"],
        *["-device", "intel-hda", "-device", "hda-duplex,audiodev=audio0"],
    ]


def test_a_trial_writes_nothing_and_reaches_nobody() -> None:
    machine = replace(
        BARE, disks=(Disk(), Disk(size=4096)), nics=(Nic(),), boot_order=(BootDevice.NETWORK,)
    )
    words = arguments(machine, Host(disks=[Drive("/v/a.raw")], discard=True, isolated=True))
    assert after("-drive", words) == [
        "if=none,id=disk0,driver=raw,file.driver=file,file.filename=/v/a.raw,snapshot=on",
        "if=none,id=disk1,driver=null-co,size=4096,read-zeroes=on,snapshot=on",
    ]
    assert after("-netdev", words) == ["user,id=net0,restrict=on"]
    assert after("-device", words)[-1] == "e1000,id=nic0,netdev=net0,romfile="


def test_firmware_in_flash_is_read_only_code_and_own_variables() -> None:
    words = arguments(BARE, Host(flash=Flash("/f/code,1.fd", "/v/vars.qcow2", "raw", "qcow2")))
    assert after("-drive", words) == [
        "if=pflash,unit=0,readonly=on,driver=raw,file.driver=file,file.filename=/f/code,,1.fd",
        "if=pflash,unit=1,driver=qcow2,file.driver=file,file.filename=/v/vars.qcow2",
    ]
    assert after("-machine", words) == ["q35"]


def test_secure_boot_protects_the_variables() -> None:
    machine = replace(BARE, firmware=Firmware.UEFI, secure_boot=True, machine_type="pc")
    words = arguments(machine, Host(flash=Flash("/f/code.fd", "/v/vars.fd", secure=True)))
    assert after("-machine", words) == ["q35,smm=on"]
    assert after("-global", words) == [
        "driver=cfi.pflash01,property=secure,value=on",
        "ICH9-LPC.disable_s3=1",
    ]


@pytest.mark.parametrize(
    ("said", "bus", "firmware", "board"),
    [
        (None, Bus.SATA, None, "q35"),
        (None, Bus.IDE, Firmware.BIOS, "pc"),
        (None, Bus.IDE, Firmware.UEFI, "q35"),
        ("pc-q35-8.0", Bus.IDE, None, "q35"),
        ("pc-i440fx-2.1", Bus.SATA, None, "pc"),
        ("pc", Bus.SATA, None, "pc"),
    ],
)
def test_the_board_is_what_the_machine_says_or_what_its_disks_need(
    said: str | None, bus: Bus, firmware: Firmware | None, board: str
) -> None:
    disks = (Disk(address=Address(bus, 0, 0)),)
    assert chipset(replace(BARE, machine_type=said, disks=disks, firmware=firmware)) == board


@pytest.mark.parametrize(
    ("cpu", "kvm", "tcg"),
    [
        (None, "host", "max"),
        (Cpu("host-passthrough"), "host", "max"),
        (Cpu("Skylake-Server", ("avx2", "-hle", "+vmx")), "Skylake-Server,+avx2,-hle,+vmx", None),
    ],
)
def test_the_processor_suits_the_accelerator(cpu: Cpu | None, kvm: str, tcg: str | None) -> None:
    machine = replace(BARE, cpu=cpu)
    assert processor(machine, Accelerator.KVM) == ["-accel", "kvm", "-cpu", kvm]
    assert processor(machine, Accelerator.TCG) == ["-accel", "tcg", "-cpu", tcg or kvm]


def test_a_name_is_one_word_whatever_is_in_it() -> None:
    words = arguments(replace(BARE, name="a,debug-threads=on\nb\0"), Host())
    assert after("-name", words) == ["guest=a,,debug-threads=onb"]


def test_drives_without_a_place_get_the_first_free_ones() -> None:
    machine = replace(
        BARE,
        disks=(Disk(size=512), Disk(address=Address(Bus.SATA, 0, 0), size=512), Disk(size=512)),
        removables=(Removable(MediaKind.CDROM), Removable(MediaKind.FLOPPY)),
    )
    devices = after("-device", arguments(machine, Host()))
    assert [device.split(",")[:2] for device in devices] == [
        ["isa-fdc", "id=floppy0"],
        ["ide-hd", "bus=ide.1"],
        ["ide-hd", "bus=ide.0"],
        ["ide-hd", "bus=ide.2"],
        ["ide-cd", "bus=ide.3"],
        ["floppy", "unit=0"],
    ]


SAFER = "Give the drives another bus, such as sata."


@pytest.mark.parametrize(
    ("machine", "message", "hint"),
    [
        (
            replace(BARE, nics=(Nic(NicModel.HYPERV),)),
            "web: QEMU has no hyperv network adapter",
            "Give the machine another model, such as e1000.",
        ),
        (
            replace(BARE, sounds=(Sound(SoundModel.ES1371),)),
            "web: QEMU has no es1371 sound card",
            "Give the machine another model, such as hda.",
        ),
        (replace(BARE, nics=(Nic(mac="x,y"),)), "web: is no MAC address ('x,y')", ""),
        (replace(BARE, uuid="x,y"), "web: is no UUID ('x,y')", ""),
        (
            replace(BARE, disks=(Disk(address=Address(Bus.XEN, 0, 0), size=512),)),
            "web: QEMU has no xen bus for drives",
            SAFER,
        ),
        (
            replace(BARE, controllers=(Controller(Bus.SCSI, 0, ControllerModel.BUSLOGIC),)),
            "web: QEMU has no buslogic controller for scsi drives",
            "Give the machine another controller, or another bus, such as sata.",
        ),
        (
            replace(BARE, disks=(Disk(address=Address(Bus.SATA, 0, 6), size=512),)),
            "web: disk 0 hangs on unit 6, which a sata controller does not have"
            " (QEMU's ich9-ahci has 6)",
            "Move it to a lower unit, or give the machine another controller.",
        ),
        (replace(BARE, disks=(Disk(),)), "web: a blank disk has no size", ""),
    ],
)
def test_what_qemu_does_not_have_is_refused(machine: Machine, message: str, hint: str) -> None:
    assert refusal(machine) == (message, hint)


def test_a_disk_format_qemu_does_not_read_is_refused() -> None:
    machine = replace(BARE, disks=(Disk(),))
    assert refusal(machine, Host(disks=[Drive("/v/a.asif", "asif")])) == (
        "/v/a.asif: QEMU does not read asif disks",
        "Convert the machine: rehost convert --to qemu.",
    )


@pytest.mark.parametrize("cpu", [Cpu("max,x=y"), Cpu("max", ("+a,b",))])
def test_a_processor_is_no_way_to_add_options(cpu: Cpu) -> None:
    with pytest.raises(UnsupportedInputError) as refused:
        processor(replace(BARE, cpu=cpu), Accelerator.TCG)
    what = "feature ('+a,b')" if cpu.features else "model ('max,x=y')"
    assert str(refused.value) == f"web: is no processor {what}"


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["pc", "q35"])
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    ("bus", "model"),
    [(bus, model) for bus, chips in CHIPS.items() for model in chips if bus is not Bus.FLOPPY],
)
def test_qemu_takes_each_controller_with_disk_and_cd(
    tmp_path: Path, board: str, index: int, bus: Bus, model: ControllerModel | None
) -> None:
    image = tmp_path / "a, b=c.raw"
    image.write_bytes(bytes(MIB))
    last = CHIPS[bus][model].units - 1
    machine = replace(
        BARE,
        memory=64 * MIB,
        machine_type=board,
        controllers=(Controller(bus, index, model),),
        disks=(Disk(address=Address(bus, index, 0), serial="A,B"), Disk(size=MIB)),
        removables=(
            Removable(MediaKind.CDROM, Address(bus, index, last)),
            *(Removable(MediaKind.CDROM), Removable(MediaKind.FLOPPY)),
            Removable(MediaKind.FLOPPY),
        ),
    )
    media = [None, Drive(str(image)), Drive(str(image))]
    assert accepted(machine, Host(disks=[Drive(str(image))], media=media, discard=True)) == ""


@pytest.mark.qemu
def test_qemu_takes_every_adapter_and_card_and_odd_memory() -> None:
    macs = (f"52:54:00:00:00:{number:02x}" for number in range(99))
    machine = replace(
        BARE,
        memory=64 * MIB + 4096,
        nics=tuple(Nic(model, next(macs)) for model in NICS),
        sounds=tuple(Sound(model) for model in SOUNDS),
        serials=(Serial(),),
    )
    assert after("-m", arguments(machine, Host())) == ["67112960B"]
    assert accepted(machine, Host()) == ""


@pytest.mark.qemu
@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_qemu_opens_every_format_by_the_name_we_use(tmp_path: Path, name: str) -> None:
    image = tmp_path / "image"
    create = ["qemu-img", "create", "-q", "-f", DRIVERS[name], str(image), "8M"]
    subprocess.run(create, check=True, timeout=60)
    machine = replace(BARE, memory=64 * MIB, disks=(Disk(),))
    assert accepted(machine, Host(disks=[Drive(str(image), name)], discard=True)) == ""


@pytest.mark.qemu
@pytest.mark.parametrize("secure", [False, True])
def test_qemu_takes_the_installed_firmware(tmp_path: Path, secure: bool) -> None:
    found = installed("q35", secure_boot=secure)
    variables = tmp_path / "vars,1.fd"
    variables.write_bytes(Path(found.variables).read_bytes())
    machine = replace(BARE, memory=64 * MIB, firmware=Firmware.UEFI, secure_boot=secure)
    assert found.secure is secure
    assert accepted(machine, Host(flash=replace(found, variables=str(variables)))) == ""


def describe(folder: Path, name: str, code: str, **changes: object) -> None:
    """Write a description as docs/interop/firmware.json has it, with its files."""
    for file in (folder / code, folder / f"{code}.vars"):
        file.write_bytes(b"")
    description = {
        "description": "firmware",
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(folder / code), "format": "raw"},
            "nvram-template": {"filename": str(folder / f"{code}.vars"), "format": "qcow2"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": [],
        "tags": [],
    }
    (folder / name).write_text(json.dumps({**description, **changes}))


def test_the_first_suitable_firmware_is_taken(tmp_path: Path) -> None:
    other = [{"architecture": "aarch64", "machines": ["virt-*"]}]
    old = [{"architecture": "x86_64", "machines": ["pc-i440fx-*"]}]
    keys = ["secure-boot", "enrolled-keys", "requires-smm"]
    describe(tmp_path, "10-arm.json", "arm", targets=other)
    describe(tmp_path, "20-keys.json", "keys", features=keys)
    describe(tmp_path, "30-none.json", "none", features=["requires-smm", "secure-boot"])
    describe(tmp_path, "35-bios.json", "bios", **{"interface-types": ["bios"]})
    describe(tmp_path, "36-memory.json", "memory", mapping={"device": "memory"})
    describe(tmp_path, "40-old.json", "old", targets=old)
    describe(tmp_path, "50-plain.json", "plain")
    describe(tmp_path, "60-later.json", "later")
    names = {
        (board, secure): installed(board, secure_boot=secure, places=[tmp_path]).code
        for board, secure in [("q35", False), ("q35", True), ("pc", False)]
    }
    assert names == {
        ("q35", False): str(tmp_path / "plain"),
        ("q35", True): str(tmp_path / "keys"),
        ("pc", False): str(tmp_path / "old"),
    }
    assert installed("q35", secure_boot=False, places=[tmp_path]) == Flash(
        str(tmp_path / "plain"), str(tmp_path / "plain.vars"), "raw", "qcow2"
    )


def test_a_later_folder_replaces_and_hides_descriptions(tmp_path: Path) -> None:
    shipped, local = tmp_path / "usr", tmp_path / "etc"
    for folder in (shipped, local):
        folder.mkdir()
    describe(shipped, "10-hidden.json", "hidden")
    describe(shipped, "20-replaced.json", "replaced")
    (local / "10-hidden.json").write_text("")
    describe(local, "20-replaced.json", "own")
    places = [shipped, local, tmp_path / "none"]
    assert installed("q35", secure_boot=False, places=places).code == str(local / "own")


def test_firmware_whose_files_are_gone_is_passed_over(tmp_path: Path) -> None:
    describe(tmp_path, "10-gone.json", "gone")
    (tmp_path / "gone.vars").unlink()
    describe(tmp_path, "20-there.json", "there")
    found = installed("q35", secure_boot=False, places=[tmp_path])
    assert found.code == str(tmp_path / "there")


def test_a_computer_without_firmware_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("converters.qemu_firmware.USUAL", ())
    monkeypatch.setattr("converters.qemu_firmware.USUAL_SECURE", ())
    for secure, kind in ((False, ""), (True, "with Secure Boot ")):
        with pytest.raises(EnvironmentFailureError) as failed:
            installed("q35", secure_boot=secure, places=[])
        assert str(failed.value) == f"no UEFI firmware {kind}for QEMU is installed"
        assert failed.value.hint == "Install it: apt-get install ovmf"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Input data was truncated"),
        (
            '{"interface-types": ["\xe4"]}',
            "'utf-8' codec can't decode byte 0xe4 in position 0: unexpected end of data",
        ),
        ("{}", "Object missing required field `interface-types`"),
        (
            '{"interface-types": ["uefi"], "mapping": {"device": "flash"},'
            ' "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}]}',
            "Expected `object`, got `null`",
        ),
    ],
)
def test_a_broken_description_is_named(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "10-broken.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(EnvironmentFailureError) as failed:
        installed("q35", secure_boot=False, places=[tmp_path])
    assert str(failed.value) == f"{path}: does not describe a firmware ({why})"
    expected = "Repair or remove it; QEMU's docs/interop/firmware.json is its shape."
    assert failed.value.hint == expected


def test_the_probe_starts_where_a_processor_starts() -> None:
    firmware = qemu_probe.firmware()
    assert len(firmware) == 65536
    assert firmware[0xFFF0:] == bytes.fromhex("dbe3 b02a e6f4 f4").ljust(16, b"\0")
    assert qemu_probe.EXIT_CODE == 85
