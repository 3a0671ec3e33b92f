"""QEMU itself: a shell script which runs the machine from the folder it lies in.

The script is POSIX sh. It is for trying a machine out and for hosts without a management layer;
what it leaves unsaid (where networks lead, what is behind serial ports) the user adds as arguments.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from converters import qemu_probe
from converters.naming import file_name
from converters.qemu_command import (
    NICS,
    PROGRAM,
    SOUNDS,
    Accelerator,
    Host,
    arguments,
    processor,
)
from converters.qemu_firmware import USUAL, USUAL_SECURE, Flash
from converters.qemu_storage import CHIPS, Drive
from converters.target import Abilities, Document, Target
from rehost.machine import ControllerModel, Firmware, Machine

CODE = "\0code\0"
SAME_CHIPS = frozenset({"kubevirt", "libvirt", "proxmox", "qemu"})
"""The formats whose LSI controller is QEMU's 53c895a; elsewhere it is a 53c1030."""


CARRIES = """
    name uuid memory vcpus topology.sockets topology.cores topology.threads cpu.model cpu.features
    firmware secure_boot machine_type clock boot_order
    controllers[] controllers[].bus controllers[].index controllers[].model
    disks[] disks[].address disks[].size disks[].file disks[].format disks[].serial
    removables[] removables[].kind removables[].address removables[].file
    nics[] nics[].model nics[].mac serials[] sounds[] sounds[].model
"""
HEAD = """\
#!/bin/sh
# shellcheck disable=SC2016  # names may hold what looks like an expansion and is none
# Runs this machine under QEMU. Arguments are handed on to QEMU: ./{name}.sh -display none
# QEMU=program runs another QEMU.{more}
set -eu
cd -- "$(dirname -- "$0")"
qemu=${{QEMU:-{program}}}

# /dev/kvm may be there and yet be refused, or hang: KVM counts if it runs a guest of five
# instructions, which makes QEMU end with a code of its own.
kvm_runs() {{
    [ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
    probe=$(mktemp) || return 1
    {{ head -c {before} /dev/zero; printf '{code}'; head -c {after} /dev/zero; }} >"$probe"
    ended=0
    timeout -k 1 {seconds} "$qemu" {probe} "$probe" </dev/null >/dev/null 2>&1 || ended=$?
    rm -f -- "$probe"
    [ "$ended" -eq {exit_code} ]
}}
"""
FIRMWARE = """
firmware() {{
    [ -f "$1" ] && [ -f "$2" ] && code=$1 && template=$2
}}
code=${{OVMF_CODE:-}}
template=${{OVMF_VARS:-}}
if [ -z "$code" ] || [ -z "$template" ]; then
    {known} || {{
        echo 'no UEFI firmware found: install ovmf, or set OVMF_CODE and OVMF_VARS' >&2
        exit 5
    }}
fi
code=$(printf '%s' "$code" | sed 's/,/,,/g')
if [ ! -e {variables} ]; then
    cp -- "$template" {variables}.new
    mv -- {variables}.new {variables}
fi
"""
BLANK = """
if [ ! -e {path} ]; then
    qemu-img create -q -f qcow2 {path} {size}
fi
"""
RUN = """
if kvm_runs; then
    set -- {kvm} "$@"
else
    set -- {tcg} "$@"
fi
exec "$qemu" \\
    {arguments} \\
    "$@"
"""


def documents(machine: Machine, folder: Path) -> list[Document]:
    """Return the script that runs the machine."""
    name = file_name(machine.name)
    variables = f"./{name}_VARS.fd"
    uefi = machine.firmware is Firmware.UEFI
    disks = [_drive(disk.file, disk.format) for disk in machine.disks]
    blanks = {
        number: Drive(f"./{name}-disk{number}.qcow2", "qcow2")
        for number, disk in enumerate(disks)
        if disk is None
    }
    host = Host(
        disks=[disk or blanks[number] for number, disk in enumerate(disks)],
        media=[_drive(medium.file, None) for medium in machine.removables],
        flash=Flash(CODE, variables, secure=bool(machine.secure_boot)) if uefi else None,
    )
    script = _head(name, uefi=uefi)
    if uefi:
        script += _firmware(variables, secure=bool(machine.secure_boot))
    for number, blank in blanks.items():
        size = machine.disks[number].size or 0
        script += BLANK.format(path=shlex.quote(blank.path), size=size)
    return [Document(f"{name}.sh", script + _run(machine, host), executable=True)]


def _drive(file: str | None, format: str | None) -> Drive | None:  # noqa: A002
    return Drive(f"./{file}", format or "raw") if file else None


def _head(name: str, *, uefi: bool) -> str:
    probe = qemu_probe.arguments(Accelerator.KVM, "")[1:-1]
    return HEAD.format(
        name=name,
        more="\n# OVMF_CODE=file and OVMF_VARS=file choose the UEFI firmware." if uefi else "",
        program=PROGRAM,
        before=qemu_probe.RESET_VECTOR,
        code="".join(f"\\{byte:03o}" for byte in qemu_probe.CODE),
        after=qemu_probe.SIZE - qemu_probe.RESET_VECTOR - len(qemu_probe.CODE),
        seconds=qemu_probe.SECONDS,
        probe=shlex.join(probe),
        exit_code=qemu_probe.EXIT_CODE,
    )


def _firmware(variables: str, *, secure: bool) -> str:
    known = [
        shlex.join(["firmware", flash.code, flash.variables])
        for flash in (USUAL_SECURE if secure else USUAL)
    ]
    return FIRMWARE.format(known=" ||\n        ".join(known), variables=shlex.quote(variables))


def _run(machine: Machine, host: Host) -> str:
    return RUN.format(
        kvm=shlex.join(processor(machine, Accelerator.KVM)),
        tcg=shlex.join(processor(machine, Accelerator.TCG)),
        arguments=" \\\n    ".join(_lines([*arguments(machine, host), *_serials(machine)])),
    )


def _serials(machine: Machine) -> list[str]:
    """Connect the first port to the terminal; the others are there, but nothing listens."""
    ports = ["stdio", *["null"] * len(machine.serials)][: len(machine.serials)]
    return [word for port in ports for word in ("-serial", port)]


def _lines(words: list[str]) -> Iterator[str]:
    """Yield one option with its value per line, in the shell's quotes."""
    line: list[str] = []
    for word in words:
        if word.startswith("-") and line:
            yield " ".join(line)
            line = []
        line.append(_quoted(word))
    yield " ".join(line)


def _quoted(word: str) -> str:
    """Quote a word, leaving the place of the firmware's code to the shell."""
    before, here, after = word.partition(CODE)
    if not here:
        return shlex.quote(word)
    return f'{shlex.quote(before)}"$code"{after and shlex.quote(after)}'


TARGET = Target(
    name="qemu",
    title="QEMU shell script",
    disk_formats=("qcow2", "raw", "vmdk", "vdi", "vhdx", "vhd"),
    abilities=Abilities(
        buses=frozenset(CHIPS),
        controllers=frozenset(model for chips in CHIPS.values() for model in chips if model),
        nics=frozenset(NICS),
        sounds=frozenset(SOUNDS),
        units={
            model: chip.units for chips in CHIPS.values() for model, chip in chips.items() if model
        },
        own_chips={ControllerModel.LSILOGIC: SAME_CHIPS},
    ),
    carries=frozenset(CARRIES.split()),
    documents=documents,
)
