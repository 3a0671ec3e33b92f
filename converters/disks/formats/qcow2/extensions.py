"""The header extensions of a qcow2 image: what lies between its header and its backing's name.

Source: QEMU, "docs/interop/qcow2.txt", section "Header extensions".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from rehost.errors import DamagedInputError
from rehost.files import File

FEATURE = struct.Struct(">BB46s")


class Kind(IntEnum):
    """The extensions that mean something to us."""

    END = 0
    BACKING_FORMAT = 0xE2792ACA
    FEATURE_NAMES = 0x6803F857
    BITMAPS = 0x23852875
    ENCRYPTION = 0x0537BE77
    DATA_FILE = 0x44415441


@dataclass(frozen=True, slots=True)
class Extensions:
    """All of them, by kind, in the order of the file."""

    HEAD: ClassVar[struct.Struct] = struct.Struct(">II")

    contents: dict[int, bytes]

    @classmethod
    def read(cls, file: File, at: int, stop: int) -> Extensions:
        """Read the extensions between two offsets of the first cluster."""
        raw = file.pread(at, max(0, stop - at))
        found: dict[int, bytes] = {}
        place = 0
        while place + cls.HEAD.size <= len(raw):
            kind, length = cls.HEAD.unpack_from(raw, place)
            if kind == Kind.END:
                break
            place += cls.HEAD.size
            where = f"{file.name} at {at + place}"
            if place + length > len(raw):
                raise DamagedInputError(
                    f"a qcow2 header extension does not fit ({length} bytes, room is for "
                    f"{len(raw) - place})",
                    where=where,
                )
            if kind in found:
                raise DamagedInputError(
                    f"a qcow2 header extension is there twice ({kind:#010x})", where=where
                )
            found[kind] = raw[place : place + length]
            place += -(-length // 8) * 8
        return cls(found)

    def text(self, kind: Kind) -> str | None:
        """Return an extension that is one string, or None if there is none."""
        content = self.contents.get(kind)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def fields(self, kind: Kind, layout: struct.Struct, where: str) -> tuple[int, ...] | None:
        """Return the numbers of an extension, or None if there is none."""
        content = self.contents.get(kind)
        if content is None:
            return None
        if len(content) < layout.size:
            raise DamagedInputError(
                f"the qcow2 header extension {kind:#010x} is cut short ({len(content)} bytes, "
                f"should be {layout.size})",
                where=where,
            )
        return layout.unpack_from(content)

    def feature_names(self, sort: int) -> dict[int, str]:
        """Return the names of features by bit: of 0 incompatible, 1 compatible, 2 autoclear."""
        table = self.contents.get(Kind.FEATURE_NAMES, b"")
        whole = len(table) // FEATURE.size * FEATURE.size
        return {
            bit: name.rstrip(b"\0").decode("utf-8", "replace")
            for kind, bit, name in FEATURE.iter_unpack(table[:whole])
            if kind == sort
        }

    def titles(self) -> list[str]:
        """Return what they are called, for people; those not known by their number."""
        known = {kind.value: kind.name.lower().replace("_", " ") for kind in Kind}
        return [known.get(kind, f"{kind:#010x}") for kind in self.contents]
