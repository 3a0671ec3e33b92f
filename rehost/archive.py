"""The tar that an OVA is: an index of its members, made by reading headers only.

Spec: DSP0243 clause 5.3, which asks for the USTAR format of IEEE 1003.1; POSIX.1-2001 "pax
Interchange Format"; the GNU tar manual, "Basic Tar Format", for long names and base-256 numbers.

Members are windows into the archive, so nothing is ever unpacked. An archive that could write or
read outside itself when somebody does unpack it is refused whole.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rehost.errors import DamagedInputError, InteropError, RefusedError, UnsupportedInputError
from rehost.files import File, Window

BLOCK = 512
MOST_MEMBERS = 10_000
MOST_DEFECTS = 100
LONGEST_NAME = 4096
LARGEST_EXTENSION = 64 << 10
HEADER = struct.Struct("100s 24x 12s 12x 8s c 100s 8s 80x 155s 12x")
CHECKSUM = slice(148, 156)
ABSOLUTE = re.compile(r"[/\\]|(\.[/\\]+)*[A-Za-z]:[/\\]")
DRIVE = re.compile(r"[A-Za-z]:")

REGULAR = b"07\0"
DIRECTORY = b"5"
LINKS = {b"1": "a hard link", b"2": "a symbolic link"}
SPECIAL = {b"3": "a character device", b"4": "a block device", b"6": "a pipe"}
GNU_NAME = b"L"
GNU_LINK = b"K"
PAX = b"x"
PAX_GLOBAL = b"g"
DISTRUST = "Do not unpack this archive anywhere; ask its maker for another."


class Dialect(StrEnum):
    """Which tar a header was written in; USTAR alone is what the standard asks for."""

    USTAR = "USTAR"
    GNU = "GNU"
    PAX = "PAX"
    OLD = "pre-POSIX"


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in the archive; ``offset`` is where its content begins."""

    name: str
    offset: int
    size: int
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of a tar in their order.

    ``end`` is where its end mark begins, None where it has none. ``repeated`` and ``unsafe`` are
    members that are left out, as the errors that whoever does not only judge gets: names that are
    there already, and what is no file below the archive's own root.
    """

    file: File
    members: tuple[Member, ...]
    end: int | None
    repeated: tuple[InteropError, ...] = ()
    unsafe: tuple[InteropError, ...] = ()

    @property
    def ended(self) -> bool:
        """Say whether its end mark is there."""
        return self.end is not None

    def window(self, member: Member) -> Window:
        """Return the content of a member, read where it lies."""
        return Window(self.file, member.offset, member.size, self.where(member.name))

    def where(self, name: str) -> str:
        """Return what messages call a member: archive and name, joined by an exclamation mark."""
        return f"{self.file.name}!{name}"


@dataclass(frozen=True, slots=True)
class _Header:
    """One block of the archive, with what the extension headers before it said instead."""

    at: int
    name: str
    size: int
    kind: bytes
    dialect: Dialect


def looks_like_tar(start: bytes) -> bool:
    """Say whether the first block of a file is a tar header with a true checksum."""
    return len(start) >= BLOCK and _stored_checksum(start) in _checksums(start[:BLOCK])


def read_archive(file: File, *, tolerant: bool = False) -> Archive:
    """Index a tar, refusing members that are anything but files below its own root.

    A ``tolerant`` reading, for who only judges, leaves them out and keeps what is wrong with them;
    one whose name merely begins at a root is kept under the rest of its name.
    """
    walk = _Walk(file)
    members: dict[str, Member] = {}
    repeated: list[InteropError] = []
    unsafe: list[InteropError] = []
    for header in walk.headers():
        where = f"{file.name} at {header.at}"
        inside = header.name
        try:
            if is_absolute(inside):
                _put_up_with(_rooted(inside, where), unsafe, tolerant=tolerant)
                inside = _without_root(inside)
            name = safe_name(inside, where)
            _check_kind(header, name, where)
        except (RefusedError, UnsupportedInputError) as error:
            _put_up_with(error, unsafe, tolerant=tolerant)
            continue
        if header.kind not in REGULAR or header.name.endswith("/"):
            continue
        if name in members:
            again = f"holds the same name twice ({name!r})"
            _put_up_with(
                RefusedError(again, where=where, hint=DISTRUST), repeated, tolerant=tolerant
            )
            continue
        if len(members) == MOST_MEMBERS:
            raise RefusedError(f"has too many members (at most {MOST_MEMBERS})", where=where)
        members[name] = Member(name, header.at + BLOCK, header.size, header.dialect)
    return Archive(file, tuple(members.values()), walk.end, tuple(repeated), tuple(unsafe))


def _put_up_with(error: InteropError, found: list[InteropError], *, tolerant: bool) -> None:
    """Keep what is wrong with a member, or raise it."""
    if not tolerant:
        raise error
    if len(found) < MOST_DEFECTS:
        found.append(error)


def is_absolute(name: str) -> bool:
    """Say whether a name begins at a root, also one of Windows; other colons are only letters."""
    return ABSOLUTE.match(name) is not None


def is_apple_double(name: str) -> bool:
    """Say whether a file is what macOS keeps of another's attributes: ``sub/._disk.vmdk``."""
    return name.rpartition("/")[2].startswith("._")


def _rooted(name: str, where: str) -> RefusedError:
    return RefusedError(
        f"holds a member with an absolute name ({name!r})", where=where, hint=DISTRUST
    )


def _without_root(name: str) -> str:
    """Return a name from below its root, for who only reads what the archive holds."""
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in {"", "."} and not DRIVE.fullmatch(part))


def safe_name(name: str, where: str) -> str:
    """Return a member's name without ``./``; refuse one that leads out of the archive."""
    unified = name.replace("\\", "/")
    parts = [part for part in unified.split("/") if part not in {"", "."}]
    if is_absolute(name):
        raise _rooted(name, where)
    if ".." in parts:
        raise RefusedError(
            f"holds a member that leads outside it ({name!r})", where=where, hint=DISTRUST
        )
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _check_kind(header: _Header, name: str, where: str) -> None:
    if header.kind in LINKS or header.kind in SPECIAL:
        kind = LINKS.get(header.kind) or SPECIAL[header.kind]
        raise RefusedError(f"holds {kind} ({name!r})", where=where, hint=DISTRUST)
    if header.kind not in REGULAR and header.kind != DIRECTORY:
        raise UnsupportedInputError(
            f"holds a member of a kind that is not read ({name!r} is {header.kind!r})",
            where=where,
            hint="Write the archive again as USTAR: tar --format=ustar.",
        )
    if header.kind in REGULAR and not name:
        raise DamagedInputError("holds a member without a name", where=where)


class _Walk:
    """Goes from header to header, applying those that only say something of the next."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._said: dict[str, str] = {}
        self._dialect: Dialect | None = None
        self._extensions = 0
        self.end: int | None = None

    def headers(self) -> Iterator[_Header]:
        """Yield every header that stands for a member, up to the end mark."""
        offset = 0
        while (block := self._block(offset)) is not None:
            header = self._parse(block, offset)
            after = offset + BLOCK + -(-header.size // BLOCK) * BLOCK
            if header.kind in {GNU_NAME, GNU_LINK, PAX, PAX_GLOBAL}:
                self._extend(header)
            else:
                self._require(header)
                yield header
                self._said, self._dialect, self._extensions = {}, None, 0
            offset = after

    def _block(self, offset: int) -> bytes | None:
        """Return the header block at ``offset``, or None at the end of the archive."""
        block = self._file.pread(offset, BLOCK)
        if not block.strip(b"\0"):
            self.end = offset if len(block) == BLOCK else None
            if offset == 0:
                raise DamagedInputError("holds no tar header", where=self._file.name)
            return None
        if len(block) < BLOCK:
            raise DamagedInputError(
                f"is cut short in a header ({BLOCK - len(block)} bytes are missing)",
                where=f"{self._file.name} at {offset}",
                hint="Copy or download it again.",
            )
        return block

    def _parse(self, block: bytes, offset: int) -> _Header:
        where = f"{self._file.name} at {offset}"
        if _stored_checksum(block) not in _checksums(block):
            raise DamagedInputError("tar header's checksum is wrong", where=where)
        raw, size, _, kind, _, magic, prefix = HEADER.unpack(block)
        dialect = _dialect(magic)
        name = _until_null(raw)
        if dialect is Dialect.USTAR and _until_null(prefix):
            name = _until_null(prefix) + b"/" + name
        length = _size(size, where)
        if size[0] & 0x80:
            dialect = Dialect.GNU
        extension = kind in {GNU_NAME, GNU_LINK, PAX, PAX_GLOBAL}
        if not extension and "size" in self._said:
            length = _decimal(self._said["size"], where)
        full = _text(name, where) if extension or "path" not in self._said else self._said["path"]
        if len(full) > LONGEST_NAME:
            raise RefusedError(f"holds a name of {len(full)} characters", where=where)
        return _Header(offset, full, length, kind, self._dialect or dialect)

    def _extend(self, header: _Header) -> None:
        """Keep what an extension header says of the member after it."""
        where = f"{self._file.name} at {header.at}"
        self._extensions += 1
        if header.size > LARGEST_EXTENSION or self._extensions > 16:
            raise RefusedError(f"holds too long a header ({header.size} bytes)", where=where)
        self._require(header)
        content = self._file.pread(header.at + BLOCK, header.size)
        if header.kind == GNU_NAME:
            self._dialect = Dialect.GNU
            self._said["path"] = _text(_until_null(content), where)
        elif header.kind == PAX:
            self._dialect = Dialect.PAX
            self._said.update(_pax_records(content, where))
        elif header.kind == PAX_GLOBAL and _pax_records(content, where).keys() & {"path", "size"}:
            raise RefusedError("gives all its members one name or size", where=where, hint=DISTRUST)
        if any(key.startswith("GNU.sparse") for key in self._said):
            raise UnsupportedInputError("holds a sparse member", where=where)

    def _require(self, header: _Header) -> None:
        """See that a member is all there, by its last byte."""
        end = header.at + BLOCK + header.size
        if header.size and not self._file.pread(end - 1, 1):
            raise DamagedInputError(
                f"is cut short in member {header.name!r}"
                f" ({end - self._file.size} bytes are missing)",
                where=self._file.name,
                hint="Copy or download it again.",
            )


def _stored_checksum(block: bytes) -> int | None:
    digits = block[CHECKSUM].strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None


def _checksums(block: bytes) -> tuple[int, int]:
    """Return the checksum as POSIX sums it, and as old tars did with signed characters."""
    blank = block[: CHECKSUM.start] + b" " * 8 + block[CHECKSUM.stop :]
    high = sum(byte > 127 for byte in blank)
    return sum(blank), sum(blank) - 256 * high


def _dialect(magic: bytes) -> Dialect:
    if magic == b"ustar\00000":
        return Dialect.USTAR
    return Dialect.GNU if magic == b"ustar  \0" else Dialect.OLD


def _until_null(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _text(name: bytes, where: str) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise DamagedInputError(
            f"holds a name that is not UTF-8 ({name[:100]!r})", where=where
        ) from None


def _size(field: bytes, where: str) -> int:
    """Read a size: octal digits, or, with the highest bit set, a base-256 number (GNU)."""
    if field[0] & 0x80:
        size = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    else:
        digits = field.strip(b" \0")
        if digits.strip(b"01234567"):
            raise DamagedInputError(f"tar header's size is no number ({digits!r})", where=where)
        size = int(digits or b"0", 8)
    return _bounded(size, where)


def _decimal(digits: str, where: str) -> int:
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        raise DamagedInputError(f"tar header's size is no number ({digits[:40]!r})", where=where)
    return _bounded(int(digits), where)


def _bounded(size: int, where: str) -> int:
    if size >= 1 << 62:
        raise DamagedInputError(f"tar header's size is impossible ({size})", where=where)
    return size


def _pax_records(content: bytes, where: str) -> dict[str, str]:
    """Read ``length key=value`` lines; the length counts the whole line."""
    records = {}
    while content:
        digits, _, _ = content.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not record.endswith(b"\n") or not equals or length > len(content):
            raise DamagedInputError("pax header cannot be read", where=where)
        if key in {b"path", b"size"} or key.startswith(b"GNU.sparse"):
            records[_text(key, where)] = _text(value, where)
        content = content[length:]
    return records
