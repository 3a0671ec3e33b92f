"""Writing tar headers, always the same for the same name and size.

Spec: IEEE Std 1003.1-2008, "ustar Interchange Format". Owner, group and time are zero, so an
archive depends on its members alone. A size of 8 GiB or more does not fit into the octal digits of
a ustar header and is written in base 256, as GNU tar, bsdtar and libarchive read it.
"""

from __future__ import annotations

from rehost.errors import UnsupportedInputError

BLOCK = 512
END = bytes(2 * BLOCK)
LARGEST_USTAR = 8 << 30
LONGEST_NAME = 100
LONGEST_PREFIX = 155
CHECKSUM_AT = 148


def padding(size: int) -> int:
    """Return how many bytes bring a content to a whole block."""
    return -size % BLOCK


def fits_ustar(size: int) -> bool:
    """Say whether a ustar header can give a size."""
    return size < LARGEST_USTAR


def header(name: str, size: int, *, where: str = "") -> bytes:
    """Return the header of a regular file; ``where`` is the archive, for messages."""
    prefix, short = _parted(name, where or name)
    length = b"%011o\0" % size if fits_ustar(size) else b"\x80" + size.to_bytes(11, "big")
    block = bytearray(BLOCK)
    fields = (
        *((0, short), (100, b"0000644\0"), (108, b"0000000\0"), (116, b"0000000\0")),
        *((124, length), (136, b"%011o\0" % 0), (CHECKSUM_AT, b" " * 8), (156, b"0")),
        *((257, b"ustar\00000"), (345, prefix)),
    )
    for at, value in fields:
        block[at : at + len(value)] = value
    block[CHECKSUM_AT : CHECKSUM_AT + 8] = b"%06o\0 " % sum(block)
    return bytes(block)


def _parted(name: str, where: str) -> tuple[bytes, bytes]:
    """Return prefix and name: a long one is parted at a slash."""
    encoded = name.encode()
    if len(encoded) <= LONGEST_NAME:
        return b"", encoded
    cut = encoded.rfind(b"/", 0, LONGEST_PREFIX + 1)
    if cut <= 0 or len(encoded) - cut - 1 > LONGEST_NAME:
        raise UnsupportedInputError(
            f"holds a name that is too long for an archive ({len(encoded)} bytes: {name!r})",
            where=where,
            hint="Give the file a name of at most 100 bytes.",
        )
    return encoded[:cut], encoded[cut + 1 :]
