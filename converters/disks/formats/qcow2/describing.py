"""The first cluster of a new qcow2 image: header, extensions and the backing file's name.

Source: QEMU, "docs/interop/qcow2.txt", section "Header".
"""

from __future__ import annotations

from converters.disks.backing import QEMU_NAMES
from converters.disks.formats.qcow2 import MAGIC
from converters.disks.formats.qcow2.bitmaps import EXTENSION
from converters.disks.formats.qcow2.extensions import Extensions, Kind
from converters.disks.formats.qcow2.growth import Tables
from converters.disks.formats.qcow2.header import (
    LARGEST_NAME,
    VERSION_2_LENGTH,
    VERSION_3_LENGTH,
    Autoclear,
    Compatible,
    Features,
    Header,
    Incompatible,
)
from converters.disks.formats.qcow2.settings import Settings
from converters.disks.formats.qcow2.tracking import Directory
from converters.disks.image import SECTOR
from converters.disks.registry import Shape
from rehost.errors import UsageError

NOWHERE = Tables(0, 0, 0, 0)


def describe(
    settings: Settings,
    shape: Shape,
    tables: Tables = NOWHERE,
    directory: Directory | None = None,
    *,
    packed: bool = False,
) -> bytes:
    """Return the first cluster's content, which is as long wherever the tables are.

    QEMU counts disks in sectors and forgets what is left over, so the size is rounded up to one.
    """
    kind = 1 if settings.zstd and packed else 0
    length = VERSION_2_LENGTH
    if settings.version > 2:
        length = VERSION_3_LENGTH + (8 if kind else 0)
    extensions = _extensions(settings, shape, directory)
    name = shape.base.name.encode("utf-8", "surrogateescape") if shape.base else b""
    name_at = length + len(extensions)
    if len(name) > LARGEST_NAME or name_at + len(name) > settings.cluster:
        raise UsageError(
            f"names too long for the first cluster of a qcow2 image (they and the header need "
            f"{name_at + len(name)} bytes, {settings.cluster} are there)",
            hint="Choose shorter names or a larger cluster_size.",
        )
    head = Header.BASIC.pack(
        *(MAGIC, settings.version, name_at if name else 0, len(name)),
        *(settings.cluster.bit_length() - 1, -(-shape.size // SECTOR) * SECTOR, 0),
        *(*tables, 0, 0),
    )
    if settings.version > 2:
        head += _features(settings, directory, kind, length)
    return head.ljust(length, b"\0") + extensions + name


def _features(settings: Settings, directory: Directory | None, kind: int, length: int) -> bytes:
    incompatible = (
        (Incompatible.DATA_FILE if settings.data_file else 0)
        | (Incompatible.COMPRESSION if kind else 0)
        | (Incompatible.EXTENDED_L2 if settings.extended else 0)
    )
    autoclear = (Autoclear.BITMAPS if directory else 0) | (
        Autoclear.RAW_DATA if settings.raw else 0
    )
    order = settings.refcount_bits.bit_length() - 1
    compatible = Compatible.LAZY_REFCOUNTS if settings.lazy else 0
    fields = Features.LAYOUT.pack(incompatible, compatible, autoclear, order, length)
    return fields + bytes((kind,))[: 1 if kind else 0]


def _extensions(settings: Settings, shape: Shape, directory: Directory | None) -> bytes:
    found = b""
    if shape.base:
        found += _extension(
            Kind.BACKING_FORMAT, QEMU_NAMES.get(shape.base.format, shape.base.format).encode()
        )
    if settings.data_file:
        name = settings.data_file.encode("utf-8", "surrogateescape")
        found += _extension(Kind.DATA_FILE, name)
    if directory:
        fields = EXTENSION.pack(directory.bitmaps, 0, directory.size, directory.at)
        found += _extension(Kind.BITMAPS, fields)
    return found + _extension(Kind.END, b"")


def _extension(kind: Kind, content: bytes) -> bytes:
    padded = content.ljust(-(-len(content) // 8) * 8, b"\0")
    return Extensions.HEAD.pack(kind, len(content)) + padded
