"""How the clusters of a qcow2 image are decrypted; its tables and bitmaps never are encrypted.

Source: QEMU, "docs/interop/qcow2.txt", sections "Full disk encryption header pointer" and "Data
encryption".
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from converters.disks.ciphers import Decipher, sector_cipher
from converters.disks.formats.qcow2.extensions import Kind
from converters.disks.formats.qcow2.header import Encryption, Header
from converters.disks.luks import OPTION, LuksHeader
from rehost.errors import DamagedInputError, RefusedError
from rehost.files import File

POINTER = struct.Struct(">QQ")
LEGACY_KEY = 16


class Encrypted(NamedTuple):
    """What decrypts sectors, counted ``by_place`` in the file or else by place on the disk."""

    decipher: Decipher
    by_place: bool
    details: dict[str, object]


def unlock(file: File, header: Header, passphrase: str | None) -> Encrypted | None:
    """Return how clusters are decrypted, None where they are plain; a wrong passphrase raises."""
    if header.encryption == Encryption.NONE:
        return None
    if header.encryption == Encryption.AES:
        return _legacy(file, passphrase)
    pointer = header.extensions.fields(Kind.ENCRYPTION, POINTER, file.name)
    if pointer is None:
        raise DamagedInputError(
            "the qcow2 image is encrypted, but does not say where its LUKS header is",
            where=file.name,
        )
    luks = LuksHeader.read(file, pointer[0])
    return Encrypted(luks.unlock(file, passphrase), by_place=True, details=luks.told())


def _legacy(file: File, passphrase: str | None) -> Encrypted:
    """Take the passphrase itself for the key, as QEMU once did; nothing can tell a wrong one."""
    if passphrase is None:
        raise RefusedError(
            "is encrypted, and no passphrase was given", where=file.name, hint=OPTION
        )
    key = passphrase.encode("utf-8", "surrogateescape")[:LEGACY_KEY].ljust(LEGACY_KEY, b"\0")
    decipher = sector_cipher("aes", "cbc-plain64", key, file.name)
    details: dict[str, object] = {"cipher": "aes-cbc-plain64", "keyBits": 8 * LEGACY_KEY}
    return Encrypted(decipher, by_place=False, details=details)
