"""The header of a qcow2 image, versions 2 and 3.

Source: QEMU, "docs/interop/qcow2.txt", section "Header". All integers are big-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import ClassVar

from converters.disks.image import LARGEST_DISK
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

MAGIC = b"QFI\xfb"
LARGEST_NAME = 1023
VERSION_2_LENGTH = 72
VERSION_3_LENGTH = 104
END_OF_EXTENSIONS = 0
BACKING_FORMAT = 0xE2792ACA


class Incompatible(IntFlag):
    """Features that a reader must know to read the image rightly."""

    DIRTY = 1
    CORRUPT = 2
    DATA_FILE = 4
    COMPRESSION = 8
    EXTENDED_L2 = 16


KNOWN = Incompatible.DIRTY | Incompatible.COMPRESSION


@dataclass(frozen=True, slots=True)
class Header:
    """What the first cluster says; offsets and sizes in bytes."""

    BASIC: ClassVar[struct.Struct] = struct.Struct(">4sIQIIQIIQQIIQ")
    EXTENDED: ClassVar[struct.Struct] = struct.Struct(">QQQII")

    version: int
    cluster_bits: int
    size: int
    l1_entries: int
    l1_at: int
    refcounts_at: int
    refcount_clusters: int
    snapshots: int
    incompatible: Incompatible
    compression: int
    backing: str | None
    backing_format: str | None

    @property
    def cluster(self) -> int:
        """The size of a cluster in bytes."""
        return 1 << self.cluster_bits

    @classmethod
    def read(cls, file: File) -> Header:
        """Read and check a header."""
        where = file.name
        raw = file.pread(0, VERSION_3_LENGTH + 8)
        if len(raw) < VERSION_2_LENGTH:
            raise DamagedInputError(
                f"the qcow2 header is cut short ({len(raw)} bytes, should be "
                f"{VERSION_2_LENGTH} at least)",
                where=where,
            )
        (magic, version, backing_at, backing_size, bits, size, encryption, l1_entries, l1_at) = (
            cls.BASIC.unpack_from(raw)[:9]
        )
        refcounts_at, refcount_clusters, snapshots, _ = cls.BASIC.unpack_from(raw)[9:]
        if magic != MAGIC:
            raise DamagedInputError(f"no qcow2 header (found {magic!r})", where=where)
        _check(version, bits, size, encryption, where)
        incompatible, length, compression = Incompatible(0), VERSION_2_LENGTH, 0
        if version == 3:
            if len(raw) < VERSION_3_LENGTH:
                raise DamagedInputError("the qcow2 header is cut short", where=where)
            features, _, _, _, length = cls.EXTENDED.unpack_from(raw, VERSION_2_LENGTH)
            incompatible = _checked_features(features, where)
            if length > VERSION_3_LENGTH and incompatible & Incompatible.COMPRESSION:
                compression = raw[VERSION_3_LENGTH]
        return cls(
            version=version,
            cluster_bits=bits,
            size=size,
            l1_entries=l1_entries,
            l1_at=l1_at,
            refcounts_at=refcounts_at,
            refcount_clusters=refcount_clusters,
            snapshots=snapshots,
            incompatible=incompatible,
            compression=compression,
            backing=_backing(file, backing_at, backing_size),
            backing_format=_extensions(file, length, bits).get(BACKING_FORMAT),
        )


def _check(version: int, bits: int, size: int, encryption: int, where: str) -> None:
    if version not in {2, 3}:
        raise UnsupportedInputError(
            f"the qcow2 image has an unknown version ({version})", where=where
        )
    if not 9 <= bits <= 21:
        raise DamagedInputError(
            f"the qcow2 cluster size is impossible (2^{bits} bytes)", where=where
        )
    if size > LARGEST_DISK:
        raise DamagedInputError(f"the qcow2 disk's size is impossible ({size} bytes)", where=where)
    if encryption:
        raise UnsupportedInputError(
            f"the qcow2 image is encrypted (method {encryption})",
            where=where,
            hint="Decrypt it first: qemu-img convert with --object secret.",
        )


def _checked_features(features: int, where: str) -> Incompatible:
    found = Incompatible(features)
    if found & Incompatible.CORRUPT:
        raise DamagedInputError(
            "the qcow2 image is marked corrupt",
            where=where,
            hint="Repair a copy of it: qemu-img check -r all.",
        )
    if unknown := features & ~KNOWN.value:
        names = {
            Incompatible.DATA_FILE: "an external data file",
            Incompatible.EXTENDED_L2: "extended L2 entries",
        }
        said = [name for bit, name in names.items() if bit & unknown]
        raise UnsupportedInputError(
            f"the qcow2 image uses {' and '.join(said) or 'an unknown feature'} "
            f"(incompatible features {features:#x})",
            where=where,
            hint="Convert it once without it: qemu-img convert -O qcow2.",
        )
    return found


def _backing(file: File, at: int, size: int) -> str | None:
    if not at:
        return None
    if size > LARGEST_NAME:
        raise DamagedInputError(
            f"the qcow2 backing file's name is too long ({size} bytes, at most {LARGEST_NAME})",
            where=file.name,
        )
    name = file.pread(at, size)
    if len(name) < size:
        raise DamagedInputError(
            f"the qcow2 backing file's name lies behind the end of the file (at {at})",
            where=file.name,
        )
    return name.decode("utf-8", "surrogateescape")


def _extensions(file: File, at: int, bits: int) -> dict[int, str]:
    """Read the header extensions that are text."""
    found: dict[int, str] = {}
    while at + 8 <= 1 << bits:
        raw = file.pread(at, 8)
        if len(raw) < 8:
            break
        kind, length = struct.unpack(">II", raw)
        if kind == END_OF_EXTENSIONS or length > LARGEST_NAME:
            break
        if kind == BACKING_FORMAT:
            found[kind] = file.pread(at + 8, length).decode("ascii", "replace")
        at += 8 + -(-length // 8) * 8
    return found
