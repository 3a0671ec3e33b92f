"""The header of a qcow2 image, versions 2 and 3.

Source: QEMU, "docs/interop/qcow2.txt", section "Header". All integers are big-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import ClassVar

from converters.disks.formats.qcow2 import MAGIC
from converters.disks.formats.qcow2.extensions import Extensions
from converters.disks.image import LARGEST_DISK
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

LARGEST_NAME = 1023
VERSION_2_LENGTH = 72
VERSION_3_LENGTH = 104
COMPRESSION_AT = 104
SMALLEST_EXTENDED = 14
COUNT_ORDER = 4
LARGEST_ORDER = 6


class Incompatible(IntFlag):
    """Features that a reader must know to read the image rightly."""

    NONE = 0
    DIRTY = 1
    CORRUPT = 2
    DATA_FILE = 4
    COMPRESSION = 8
    EXTENDED_L2 = 16


class Compatible(IntFlag):
    """Features that a reader may ignore."""

    NONE = 0
    LAZY_REFCOUNTS = 1


class Autoclear(IntFlag):
    """Features that hold only as long as nothing that does not know them wrote to the image."""

    NONE = 0
    BITMAPS = 1
    RAW_DATA = 2


class Encryption:
    """The values of the field ``crypt_method``."""

    NONE = 0
    AES = 1
    LUKS = 2


KNOWN = (
    Incompatible.DIRTY
    | Incompatible.DATA_FILE
    | Incompatible.COMPRESSION
    | Incompatible.EXTENDED_L2
)


@dataclass(frozen=True, slots=True)
class Features:
    """What version 3 adds; in version 2 all of it has the value that changes nothing."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">QQQII")

    incompatible: Incompatible = Incompatible.NONE
    compatible: Compatible = Compatible.NONE
    autoclear: Autoclear = Autoclear.NONE
    refcount_order: int = COUNT_ORDER
    length: int = VERSION_2_LENGTH
    compression: int = 0

    @classmethod
    def parse(cls, raw: bytes, cluster: int, where: str) -> Features:
        """Read the fields of version 3 from the first bytes of a file."""
        if len(raw) < VERSION_3_LENGTH:
            raise DamagedInputError("the qcow2 header is cut short", where=where)
        incompatible, compatible, autoclear, order, length = cls.LAYOUT.unpack_from(
            raw, VERSION_2_LENGTH
        )
        if not VERSION_3_LENGTH <= length <= cluster or length % 8:
            raise DamagedInputError(
                f"the qcow2 header's length is impossible ({length} bytes)", where=where
            )
        if order > LARGEST_ORDER:
            raise DamagedInputError(
                f"the qcow2 reference counts' width is impossible (2^{order} bits)", where=where
            )
        found = cls(
            incompatible=Incompatible(incompatible),
            compatible=Compatible(compatible),
            autoclear=Autoclear(autoclear),
            refcount_order=order,
            length=length,
            compression=raw[COMPRESSION_AT] if length > COMPRESSION_AT < len(raw) else 0,
        )
        found.check(where)
        return found

    def check(self, where: str) -> None:
        """Refuse what contradicts itself or says that nothing here can be relied on."""
        if self.incompatible & Incompatible.CORRUPT:
            raise DamagedInputError(
                "the qcow2 image is marked corrupt",
                where=where,
                hint="Repair a copy of it: rehost disk check --repair.",
            )
        if bool(self.incompatible & Incompatible.COMPRESSION) != bool(self.compression):
            raise DamagedInputError(
                "the qcow2 header contradicts itself on how clusters are compressed "
                f"(type {self.compression}, incompatible features {int(self.incompatible):#x})",
                where=where,
            )


@dataclass(frozen=True, slots=True)
class Header:
    """What the first cluster says; offsets and sizes in bytes."""

    BASIC: ClassVar[struct.Struct] = struct.Struct(">4sIQIIQIIQQIIQ")

    version: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_at: int
    refcounts_at: int
    refcount_clusters: int
    snapshots: int
    snapshots_at: int
    features: Features
    extensions: Extensions
    backing: str | None

    @property
    def cluster(self) -> int:
        """The size of a cluster in bytes."""
        return 1 << self.cluster_bits

    @property
    def extended(self) -> bool:
        """Whether L2 entries are 128 bits and have subclusters."""
        return bool(self.features.incompatible & Incompatible.EXTENDED_L2)

    @property
    def has_data_file(self) -> bool:
        """Whether the clusters of the guest's disk lie in another file."""
        return bool(self.features.incompatible & Incompatible.DATA_FILE)

    @property
    def span(self) -> int:
        """How many bytes of the guest's disk one L2 table maps."""
        return self.cluster * (self.cluster // (16 if self.extended else 8))

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
        magic, version, backing_at, backing_size, *rest = cls.BASIC.unpack_from(raw)
        bits, size, encryption, l1_entries, l1_at, *rest = rest
        if magic != MAGIC:
            raise DamagedInputError(f"no qcow2 header (found {magic!r})", where=where)
        _check(version, bits, size, encryption, where)
        features = Features() if version == 2 else Features.parse(raw, 1 << bits, where)
        backing = _backing(file, backing_at, backing_size, 1 << bits)
        stop = backing_at if backing is not None else 1 << bits
        extensions = Extensions.read(file, features.length, stop)
        _check_known(features, extensions, where)
        if features.incompatible & Incompatible.EXTENDED_L2 and bits < SMALLEST_EXTENDED:
            raise DamagedInputError(
                f"the qcow2 clusters are too small for extended L2 entries (2^{bits} bytes)",
                where=where,
            )
        refcounts_at, refcount_clusters, snapshots, snapshots_at = rest
        return cls(
            version=version,
            cluster_bits=bits,
            size=size,
            encryption=encryption,
            l1_entries=l1_entries,
            l1_at=l1_at,
            refcounts_at=refcounts_at,
            refcount_clusters=refcount_clusters,
            snapshots=snapshots,
            snapshots_at=snapshots_at,
            features=features,
            extensions=extensions,
            backing=backing,
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
    if encryption > Encryption.LUKS:
        raise UnsupportedInputError(
            f"the qcow2 image is encrypted in an unknown way (method {encryption})", where=where
        )


def _check_known(features: Features, extensions: Extensions, where: str) -> None:
    """Refuse incompatible features that nobody here knows, by the names the image gives them."""
    found = int(features.incompatible)
    unknown = found & ~KNOWN.value
    if not unknown:
        return
    names = extensions.feature_names(0)
    said = [repr(names[bit]) for bit in range(64) if unknown >> bit & 1 and bit in names]
    unnamed = unknown.bit_count() - len(said)
    if unnamed:
        said.append("an unknown feature" if unnamed == 1 else f"{unnamed} unknown features")
    raise UnsupportedInputError(
        f"the qcow2 image uses {' and '.join(said)} (incompatible features {found:#x})",
        where=where,
        hint="Convert it once without it: qemu-img convert -O qcow2.",
    )


def _backing(file: File, at: int, size: int, cluster: int) -> str | None:
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
    if at + size > cluster:
        raise DamagedInputError(
            f"the qcow2 backing file's name lies outside of the first cluster (at {at})",
            where=file.name,
        )
    return name.decode("utf-8", "surrogateescape")
