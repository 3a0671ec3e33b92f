"""UEFI firmware for QEMU: where this computer keeps it, and which build suits a machine.

Distributions describe their builds in files of the shape of QEMU's docs/interop/firmware.json. A
file in a later folder replaces one of the same name in an earlier one, an empty one hides it, and
names sort by preference. Where there are no descriptions the usual places are tried.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec

from rehost.errors import EnvironmentFailureError

BOARDS = {"q35": "pc-q35-7.2", "pc": "pc-i440fx-7.2"}
LARGEST_DESCRIPTION = 1 << 20


@dataclass(frozen=True, slots=True)
class Flash:
    """UEFI firmware: its code, shared by all machines, and this machine's own variables.

    ``secure`` is set for a build which protects the variables by System Management Mode.
    """

    code: str
    variables: str
    code_format: str = "raw"
    variables_format: str = "raw"
    secure: bool = False


USUAL = (
    Flash("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    Flash("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    Flash("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    Flash("/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"),
)
USUAL_SECURE = (
    Flash("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", secure=True),
    Flash(
        "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd",
        secure=True,
    ),
    Flash(
        "/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin",
        "/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin",
        secure=True,
    ),
)


class _File(msgspec.Struct):
    filename: str
    format: str = "raw"


class _Target(msgspec.Struct):
    architecture: str
    machines: list[str] = []


class _Description(msgspec.Struct, rename="kebab"):
    interface_types: list[str]
    mapping: dict[str, Any]
    targets: list[_Target] = []
    features: list[str] = []


def folders() -> list[Path]:
    """Return where descriptions lie, the least important first."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [
        Path("/usr/share/qemu/firmware"),
        Path("/etc/qemu/firmware"),
        Path(home) / "qemu" / "firmware",
    ]


def installed(board: str, *, secure_boot: bool, places: Sequence[Path] | None = None) -> Flash:
    """Return the preferred build for ``board`` ("q35", "pc"); ``variables`` is the template.

    With ``secure_boot`` it is one that enforces it with keys enrolled, otherwise one without.
    """
    for path in _descriptions(folders() if places is None else places):
        flash = _suitable(_read(path), board, secure_boot=secure_boot, path=path)
        if flash and _exists(flash):
            return flash
    for flash in USUAL_SECURE if secure_boot else USUAL:
        if _exists(flash):
            return flash
    kind = "with Secure Boot " if secure_boot else ""
    raise EnvironmentFailureError(
        f"no UEFI firmware {kind}for QEMU is installed", hint="Install it: apt-get install ovmf"
    )


def _exists(flash: Flash) -> bool:
    return Path(flash.code).is_file() and Path(flash.variables).is_file()


def _descriptions(places: Sequence[Path]) -> list[Path]:
    found = {path.name: path for place in places for path in sorted(place.glob("*.json"))}
    return [found[name] for name in sorted(found) if found[name].stat().st_size]


def _read(path: Path) -> _Description:
    try:
        if path.stat().st_size > LARGEST_DESCRIPTION:
            raise EnvironmentFailureError("is too large for a description", where=str(path))
        return msgspec.json.decode(path.read_bytes(), type=_Description)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _no_description(path, error) from error


def _suitable(
    description: _Description, board: str, *, secure_boot: bool, path: Path
) -> Flash | None:
    """Return the flash a description offers, if it suits the machine."""
    features = set(description.features)
    wanted = {"secure-boot", "enrolled-keys"} if secure_boot else set()
    fits = any(
        target.architecture == "x86_64"
        and any(fnmatch(BOARDS[board], machine) for machine in target.machines)
        for target in description.targets
    )
    mapping = description.mapping
    in_flash = mapping.get("device") == "flash" and mapping.get("mode", "split") == "split"
    if "uefi" not in description.interface_types or not fits or not in_flash:
        return None
    if not wanted <= features or (not secure_boot and "requires-smm" in features):
        return None
    try:
        code = msgspec.convert(mapping.get("executable"), _File)
        variables = msgspec.convert(mapping.get("nvram-template"), _File)
    except msgspec.ValidationError as error:
        raise _no_description(path, error) from error
    return Flash(
        code.filename,
        variables.filename,
        code.format,
        variables.format,
        secure="requires-smm" in features,
    )


def _no_description(path: Path, error: Exception) -> EnvironmentFailureError:
    return EnvironmentFailureError(
        f"does not describe a firmware ({error})",
        where=str(path),
        hint="Repair or remove it; QEMU's docs/interop/firmware.json is its shape.",
    )
