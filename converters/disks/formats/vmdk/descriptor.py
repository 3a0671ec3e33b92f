"""The descriptor of a VMDK: a small text that names the extents, the parent and the geometry.

Source: VMware, "Virtual Disk Format 5.0", section "The Descriptor File"; libvmdk's description.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import DamagedInputError, UnsupportedInputError

LARGEST = 1 << 20
MOST_EXTENTS = 65_536
NO_PARENT = "ffffffff"

_CHARACTER_SET = re.compile(
    r"utf-?8|(us-)?ascii|latin-?1|(cp|iso-8859-)\d+|gb(k|2312|18030)|big5|shift[_-]jis|euc-(jp|kr)|koi8-[ru]"
)
_CODE_PAGES = {"shift_jis": "cp932", "shift-jis": "cp932", "big5": "cp950", "gb2312": "gbk"}
"""Windows calls its code pages by the names of smaller sets."""
_MISTAKEN = ("utf-8", "cp1252", "gbk", "cp932")
"""What a text may really be in whose declaration is wrong."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_EXTENT = re.compile(
    r"(?P<access>RW|RDONLY|NOACCESS)\s+(?P<sectors>\d{1,18})\s+(?P<kind>[A-Z0-9]+)"
    r'(?:\s+"(?P<name>[^"]*)"(?:\s+(?P<offset>\d{1,18}))?.*)?$',
    re.IGNORECASE,
)
_ENTRY = re.compile(r'(?P<key>[A-Za-z][\w.]*)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>.*))$')


@dataclass(frozen=True, slots=True)
class Extent:
    """One line of the extent description. Sizes and offsets are in sectors of 512 bytes."""

    access: str
    sectors: int
    kind: str
    name: str | None
    offset: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a descriptor says; ``entries`` holds its assignments, ``ddb.*`` among them."""

    entries: dict[str, str]
    extents: tuple[Extent, ...]
    encoding: str = "utf-8"

    @property
    def create_type(self) -> str:
        """The kind of disk: monolithicSparse, streamOptimized, vmfs, ..."""
        return self.said("createType")

    @property
    def content_id(self) -> str:
        """What changes whenever the disk's content does, in eight digits of base 16."""
        return _digits(self.said("CID"))

    @property
    def parent_content_id(self) -> str:
        """The content identifier of the disk below when this one was made from it."""
        return _digits(self.said("parentCID") or NO_PARENT)

    @property
    def has_parent(self) -> bool:
        """Say whether this disk only stores differences."""
        return self.parent_content_id != NO_PARENT

    def said(self, key: str) -> str:
        """Return the value of a key, in whatever case it is written; empty if there is none."""
        if key in self.entries:
            return self.entries[key]
        lowered = key.lower()
        return next((value for name, value in self.entries.items() if name.lower() == lowered), "")

    def spellings(self, name: str) -> Iterator[str]:
        """Yield what a name that is not plain ASCII would be, were the declared encoding wrong."""
        if name.isascii():
            return
        for other in _MISTAKEN:
            try:
                spelling = name.encode(self.encoding).decode(other)
            except UnicodeError:
                continue
            if spelling != name:
                yield spelling

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Descriptor:
        """Read a descriptor, ending at its first null byte."""
        text, encoding = _decode(raw.split(b"\0", 1)[0].removeprefix(BOM_UTF8), where)
        entries: dict[str, str] = {}
        extents: list[Extent] = []
        for number, line in enumerate(_LINE_END.split(text), 1):
            content = line.strip()
            if not content or content.startswith("#"):
                continue
            if found := _EXTENT.match(content):
                extents.append(_extent(found))
            elif entry := _ENTRY.match(content):
                quoted = entry["quoted"]
                entries[entry["key"]] = entry["bare"] if quoted is None else quoted
            else:
                raise DamagedInputError(
                    f"is no line of a VMDK descriptor ({content[:60]!r})", where=f"{where}:{number}"
                )
        if not extents or len(extents) > MOST_EXTENTS:
            raise DamagedInputError(
                f"the VMDK descriptor names no usable extents (found {len(extents)})", where=where
            )
        return cls(entries, tuple(extents), encoding)


def _extent(found: re.Match[str]) -> Extent:
    return Extent(
        access=found["access"].upper(),
        sectors=int(found["sectors"]),
        kind=found["kind"].upper(),
        name=found["name"],
        offset=int(found["offset"] or 0),
    )


def _digits(written: str) -> str:
    """Return an identifier as everybody writes it; what is no number stays as it is."""
    word = written.strip().lower()
    return f"{int(word, 16):08x}" if re.fullmatch(r"[0-9a-f]{1,16}", word) else word


def _decode(raw: bytes, where: str) -> tuple[str, str]:
    """Decode by the encoding the descriptor declares, and return what that was.

    Only character sets are accepted: Python's other codecs take any amount of time for some bytes.
    """
    declared = re.search(
        rb'^[ \t]*encoding[ \t]*=[ \t]*"([\w.:-]{1,40})"', raw, re.MULTILINE | re.IGNORECASE
    )
    encoding = declared[1].decode("ascii") if declared else "utf-8"
    name = encoding.lower().replace("windows-", "cp")
    unknown = UnsupportedInputError(
        f"the VMDK descriptor has an encoding that is not known ({encoding!r})", where=where
    )
    if not _CHARACTER_SET.fullmatch(name):
        raise unknown
    name = _CODE_PAGES.get(name, name)
    try:
        return raw.decode(name), name
    except LookupError:
        raise unknown from None
    except UnicodeError:
        return raw.decode("latin-1"), "latin-1"
