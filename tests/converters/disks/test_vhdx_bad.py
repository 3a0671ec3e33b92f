"""Broken VHDX files, each refused in the words its user sees."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

import pytest

from converters.disks.gate import ClosedGate
from converters.disks.image import read
from converters.disks.registry import open_image
from rehost.errors import InteropError
from tests.converters.disks.test_vhdx import noise
from tests.support.images import KIB, MIB, TIB
from tests.support.models import Memory
from tests.support.vhdxs import (
    BAT,
    BAT_REGION,
    FULL,
    HEADERS,
    ITEMS,
    METADATA,
    METADATA_REGION,
    REGIONS,
    Block,
    Layout,
    crc,
    entry_at,
    put,
    summed,
)

SECONDS = 240
BLOCKS = {0: Block(FULL, 4, noise(4, MIB)), 2: Block(FULL, 5, noise(5, MIB))}
SOUND = Layout(4 * MIB, BLOCKS)
RAW = SOUND.built()
COPY = "Copy the file again."
CUT = "The file is cut short; copy it again."
CHANGED = "Copy the file again; it was changed on its way."
OTHER = UUID("99999999-8888-7777-6666-555555555555")
PARENT_GUID = UUID("12121212-3434-5656-7878-9a9a9a9a9a9a")


def error_of(content: Layout | bytes) -> InteropError:
    raw = content.built() if isinstance(content, Layout) else content
    with pytest.raises(InteropError) as caught:
        image = open_image(Memory(raw, "a.vhdx"), ClosedGate(), format="vhdx")
        read(image, 0, image.size)
    return caught.value


def patched(*changes: tuple[int, bytes]) -> bytes:
    content = bytearray(RAW)
    for at, what in changes:
        put(content, at, what)
    return bytes(content)


def table_of(*entries: tuple[UUID, int, int, int]) -> Layout:
    return replace(SOUND, regions=entries)


BAT_ENTRY = (BAT_REGION, BAT * MIB, MIB, 1)
METADATA_ENTRY = (METADATA_REGION, METADATA * MIB, MIB, 1)


class Wrong(NamedTuple):
    """A file that is refused, and what is said then."""

    content: Layout | bytes
    said: str
    hint: str = ""
    code: int = 3


def item(name: str, at: int, length: int) -> bytes:
    """Return metadata in which an item lies elsewhere."""
    place = RAW.index(ITEMS[name].bytes_le, METADATA * MIB)
    return patched((place + 16, struct.pack("<II", at, length)))


def one_header(at: int, value: bytes) -> bytes:
    """Return a file whose headers both hold a value, with the checksum it needs."""
    changes = []
    for place in HEADERS:
        header = bytearray(RAW[place : place + 4096])
        put(header, at, value)
        changes.append((place, summed(bytes(header))))
    return patched(*changes)


def entry(block: int, value: int) -> bytes:
    return patched((entry_at(block), struct.pack("<Q", value)))


HEADER = crc(RAW[64 * KIB : 64 * KIB + 4] + bytes(4) + RAW[64 * KIB + 8 : 68 * KIB])
FLIPPED = patched((HEADERS[0] + 4, struct.pack("<I", 1)), (HEADERS[1], b"x"))
TABLE = "VHDX block allocation table"
LIES = "lies at an impossible place"
WRONG = {
    "no signature": Wrong(b"conectix" + RAW[8:], "a.vhdx: is no VHDX (it begins b'conectix')"),
    "nothing": Wrong(b"", "a.vhdx: is no VHDX (it begins b'')"),
    "no headers": Wrong(
        RAW[: 64 * KIB + 80],
        "a.vhdx at 65536: the VHDX header is cut short (80 bytes, should be 4096)",
    ),
    "no magic": Wrong(
        patched((HEADERS[0], b"tail"), (HEADERS[1], b"tail")),
        "a.vhdx at 65536: no VHDX header (found b'tail')",
    ),
    "a wrong checksum": Wrong(
        FLIPPED,
        f"a.vhdx at 65536: the VHDX header's checksum is wrong (is 0x1, should be {HEADER:#x})",
        CHANGED,
    ),
    "contradiction": Wrong(
        replace(SOUND, sequences=(3, 3)).built()[: 128 * KIB]
        + one_header(8, struct.pack("<QQ", 3, 77))[128 * KIB :],
        "a.vhdx: the VHDX headers contradict each other (both have the sequence number 3)",
    ),
    "version 2": Wrong(
        replace(SOUND, versions=(0, 2)), "a.vhdx: the VHDX has an unknown version (2)", "", 4
    ),
    "no region table": Wrong(
        patched(*((at, b"xxxx") for at in REGIONS)),
        "a.vhdx at 196608: no VHDX region table (found b'xxxx')",
    ),
    "too many regions": Wrong(
        patched(
            *(
                (at, summed(RAW[at : at + 8] + struct.pack("<I", 2048) + RAW[at + 12 : at + 65536]))
                for at in REGIONS
            )
        ),
        "a.vhdx at 196608: the VHDX region table has too many entries (2048, at most 2047)",
    ),
    "a region twice": Wrong(
        table_of(BAT_ENTRY, METADATA_ENTRY, BAT_ENTRY),
        f"a.vhdx at 196608: the VHDX region {BAT_REGION} is named twice",
    ),
    "no table": Wrong(table_of(METADATA_ENTRY), "a.vhdx: the VHDX has no block allocation table"),
    "no metadata region": Wrong(table_of(BAT_ENTRY), "a.vhdx: the VHDX has no metadata"),
    "an unknown region": Wrong(
        table_of(BAT_ENTRY, METADATA_ENTRY, (OTHER, 8 * MIB, MIB, 1)),
        f"a.vhdx: the VHDX requires a region that is not known ({OTHER})",
        "",
        4,
    ),
    "a table at an odd place": Wrong(
        table_of((BAT_REGION, MIB + 1, MIB, 1), METADATA_ENTRY),
        f"a.vhdx: the {TABLE} {LIES} (at {MIB + 1}, {MIB} bytes long)",
    ),
    "an empty table": Wrong(
        table_of((BAT_REGION, 3 * MIB, 0, 1), METADATA_ENTRY),
        f"a.vhdx: the {TABLE} {LIES} (at {3 * MIB}, 0 bytes long)",
    ),
    "a table behind the end": Wrong(
        table_of((BAT_REGION, 1 << 62, MIB, 1), METADATA_ENTRY),
        f"a.vhdx: the {TABLE} lies behind the end of the file "
        f"(it ends at {(1 << 62) + MIB}, the file at {6 * MIB})",
        CUT,
    ),
    "a table upon the metadata": Wrong(
        table_of((BAT_REGION, 2 * MIB, MIB, 1), METADATA_ENTRY),
        f"a.vhdx: a part of the VHDX lies where something else does (at {2 * MIB})",
    ),
    "no metadata": Wrong(
        patched((METADATA * MIB, b"metadada")),
        f"a.vhdx at {2 * MIB}: no VHDX metadata (found b'metadada')",
    ),
    "too many items": Wrong(
        patched((METADATA * MIB + 10, struct.pack("<H", 2048))),
        f"a.vhdx at {2 * MIB}: the VHDX metadata have too many items (2048, at most 2047)",
    ),
    "an item twice": Wrong(
        replace(SOUND, extra_items=((ITEMS["size"], bytes(8), 6),)),
        f"a.vhdx at {2 * MIB}: the VHDX metadata give the disk's size twice",
    ),
    "an unknown item": Wrong(
        replace(SOUND, extra_items=((OTHER, b"x", 4),)),
        f"a.vhdx at {2 * MIB}: the VHDX requires a metadata item that is not known ({OTHER})",
        "",
        4,
    ),
    "an item too early": Wrong(
        item("size", 100, 8),
        f"a.vhdx at {2 * MIB}: the VHDX disk's size {LIES} (at 100 of the metadata, 8 bytes long)",
    ),
    "an item too late": Wrong(
        item("id", MIB - 8, 16),
        f"a.vhdx at {2 * MIB}: the VHDX disk's identifier {LIES} "
        f"(at {MIB - 8} of the metadata, 16 bytes long)",
    ),
    "an item too short": Wrong(
        item("parameters", 64 * KIB, 4),
        f"a.vhdx at {2 * MIB}: the VHDX file parameters {LIES} "
        f"(at {64 * KIB} of the metadata, 4 bytes long)",
    ),
    "a block of 3 MiB": Wrong(
        replace(SOUND, block=3 * MIB),
        f"a.vhdx: the VHDX block size is impossible ({3 * MIB} bytes)",
    ),
    "a block of 512 MiB": Wrong(
        replace(SOUND, block=512 * MIB, blocks={}),
        f"a.vhdx: the VHDX block size is impossible ({512 * MIB} bytes)",
    ),
    "a block of nothing": Wrong(
        patched((METADATA * MIB + 64 * KIB, bytes(4))),
        "a.vhdx: the VHDX block size is impossible (0 bytes)",
    ),
    "a sector of 1024": Wrong(
        replace(SOUND, sectors=(1024, 512)),
        "a.vhdx: the VHDX logical sector size is impossible (1024 bytes)",
    ),
    "a physical sector of 0": Wrong(
        replace(SOUND, sectors=(512, 0)),
        "a.vhdx: the VHDX physical sector size is impossible (0 bytes)",
    ),
    "a disk too large": Wrong(
        replace(SOUND, size=64 * TIB + 512),
        f"a.vhdx: the VHDX disk's size is impossible ({64 * TIB + 512} bytes)",
    ),
    "half a sector": Wrong(
        replace(SOUND, size=1000), "a.vhdx: the VHDX disk's size is impossible (1000 bytes)"
    ),
    "a table too small": Wrong(
        replace(SOUND, size=1 << 40),
        f"a.vhdx at {3 * MIB}: the {TABLE} is too small for the disk "
        f"({MIB} bytes, should be {((1 << 20) + 255) * 8})",
    ),
    "state 4": Wrong(
        entry(1, 4), "a.vhdx: a VHDX block has an impossible state (block 1, state 4)"
    ),
    "a partial block without parent": Wrong(
        entry(1, 7), "a.vhdx: a VHDX block has an impossible state (block 1, state 7)"
    ),
    "a block behind the end": Wrong(
        entry(1, 9 * MIB | FULL),
        f"a.vhdx: the VHDX is cut short (a VHDX block lies at {9 * MIB}, "
        f"the file ends at {6 * MIB})",
        COPY,
    ),
    "a block at the end of everything": Wrong(
        entry(1, 0xFFFF_FFFF_FFF0_0000 | FULL),
        f"a.vhdx: the VHDX is cut short (a VHDX block lies at {0xFFFF_FFFF_FFF0_0000}, "
        f"the file ends at {6 * MIB})",
        COPY,
    ),
    "a block cut short": Wrong(
        RAW[:-1],
        f"a.vhdx: the VHDX is cut short (a VHDX block lies at {5 * MIB}, "
        f"the file ends at {6 * MIB - 1})",
        COPY,
    ),
    "a block used twice": Wrong(
        entry(1, 4 * MIB | FULL),
        f"a.vhdx: a VHDX block lies where something else does (at {4 * MIB})",
    ),
    "a block upon the header": Wrong(
        entry(1, FULL), "a.vhdx: a VHDX block lies where something else does (at 0)"
    ),
    "blocks that overlap": Wrong(
        Layout(
            4 * MIB, {0: Block(FULL, 4, bytes(MIB)), 1: Block(FULL, 5)}, block=2 * MIB, end=9 * MIB
        ),
        f"a.vhdx: a VHDX block lies where something else does (at {5 * MIB})",
    ),
}
for name, said in (
    ("parameters", "file parameters"),
    ("size", "disk's size"),
    ("id", "disk's identifier"),
    ("logical", "logical sector size"),
    ("physical", "physical sector size"),
):
    WRONG[f"no {name}"] = Wrong(
        replace(SOUND, drop=(name,)), f"a.vhdx at {2 * MIB}: the VHDX metadata have no {said}"
    )


@pytest.mark.parametrize("name", WRONG)
def test_a_broken_file_is_refused_in_these_words(name: str) -> None:
    wrong = WRONG[name]
    error = error_of(wrong.content)
    assert str(error) == wrong.said
    assert (error.hint, error.exit_code) == (wrong.hint, wrong.code)


def test_a_file_larger_than_any_vhdx_is_refused() -> None:
    huge = Memory(RAW, "a.vhdx")
    huge.size = (128 << 40) + 1
    with pytest.raises(InteropError) as caught:
        open_image(huge, ClosedGate())
    assert str(caught.value) == f"a.vhdx: is larger than a VHDX can be ({(128 << 40) + 1} bytes)"
    assert (caught.value.hint, caught.value.exit_code) == ("", 3)
