"""What the headers of a qcow2 image say, for people and for judging a package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from converters.disks.formats.qcow2.bitmaps import Bitmaps
from converters.disks.formats.qcow2.encryption import Encrypted
from converters.disks.formats.qcow2.extensions import Kind
from converters.disks.formats.qcow2.header import (
    Autoclear,
    Compatible,
    Encryption,
    Header,
    Incompatible,
)
from converters.disks.formats.qcow2.snapshots import Snapshot
from converters.disks.image import Facts

COMPRESSIONS = ("zlib", "zstd")
SORTS = (Incompatible, Compatible, Autoclear)


def facts_of(
    header: Header,
    bitmaps: Bitmaps,
    snapshots: Sequence[Snapshot],
    *,
    odd_entries: int,
    encrypted: Encrypted | None,
    chosen: Snapshot | None,
) -> Facts:
    """Gather all of it."""
    found = header.features
    details: dict[str, object] = {
        "version": header.version,
        "clusterSize": header.cluster,
        "refcountBits": 1 << found.refcount_order,
        "compression": COMPRESSIONS[found.compression],
        "extendedL2": header.extended,
        "lazyRefcounts": bool(found.compatible & Compatible.LAZY_REFCOUNTS),
        "features": features(header),
        "headerExtensions": header.extensions.titles(),
        "backingFile": header.backing,
        "backingFormat": header.extensions.text(Kind.BACKING_FORMAT),
        "dataFile": header.extensions.text(Kind.DATA_FILE),
        "dataFileRaw": bool(found.autoclear & Autoclear.RAW_DATA),
        "encryption": encrypted.details if encrypted else None,
        "snapshots": [each.told() for each in snapshots],
        "bitmaps": bitmaps.told(),
    }
    if chosen is not None:
        details["openedSnapshot"] = chosen.told()
    oddities = _oddities(header, bitmaps, odd_entries)
    return Facts("qcow2", f"v{header.version}", details, tuple(oddities))


def features(header: Header) -> list[str]:
    """Return the names of the features an image uses, unknown ones as the image calls them."""
    found = header.features
    said = []
    for sort, bits in enumerate((found.incompatible, found.compatible, found.autoclear)):
        names = {member.bit_length() - 1: member.name for member in SORTS[sort]}
        given = header.extensions.feature_names(sort)
        for bit in range(64):
            if int(bits) >> bit & 1:
                own = (names.get(bit) or "").lower().replace("_", " ")
                kind = SORTS[sort].__name__.lower()
                said.append(own or given.get(bit) or f"{kind} feature {bit}")
    return said


def _oddities(header: Header, bitmaps: Bitmaps, odd_entries: int) -> Iterator[str]:
    found = header.features
    if found.incompatible & Incompatible.DIRTY:
        yield "It was not closed: its reference counts may be wrong."
    if odd_entries:
        yield f"Reserved bits are set in {odd_entries} entries of its L1 table."
    if bitmaps.entries and not bitmaps.consistent:
        yield "Its bitmaps are out of date: it was written to by something that does not know them."
    if bitmaps.consistent and not bitmaps.entries:
        yield "It claims to have bitmaps, but there are none."
    if found.autoclear & Autoclear.RAW_DATA and not header.has_data_file:
        yield "It claims to have a raw data file, but there is none."
    if header.encryption == Encryption.AES:
        yield "Nothing in it tells a wrong passphrase: with one, it reads as noise."
