"""Decrypting sectors of 512 bytes: AES in the modes that disks are encrypted with.

The package cryptography runs AES itself over many blocks at once; the modes, whose tweaks and
initialization vectors depend on each sector's number, are numpy over all sectors of a stretch.

Sources: IEEE 1619 (XTS); dm-crypt's documentation (plain, plain64, essiv).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import new

import numpy as np
import numpy.typing as npt

from converters.disks.image import SECTOR, Packed, Run, Stored
from rehost.errors import UnsupportedInputError

BLOCK = 16
PIECE = 256 << 10
"""How many bytes of a disk are decrypted together."""
XTS_FEEDBACK = 0x87
KEY_SIZES = frozenset({16, 24, 32})
HASHES = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})

Words = npt.NDArray[np.uint64]
Decipher = Callable[[bytes | memoryview, int], bytes]
"""Decrypts whole sectors, the first of which has the given number."""


def sector_cipher(name: str, mode: str, key: bytes, where: str) -> Decipher:
    """Return what decrypts sectors by a cipher and mode as LUKS names them, "aes" "xts-plain64"."""
    chaining, _, vector = mode.partition("-")
    half = len(key) // 2
    size = half if chaining == "xts" else len(key)
    if name != "aes" or size not in KEY_SIZES or (chaining == "xts" and size == 24):
        raise _unknown(name, mode, key, where)
    match chaining, vector.partition(":"):
        case "xts", ("plain64" | "plain" as numbering, "", ""):
            tweaks = partial(_plain, numbering, _Aes(key[half:]).encrypt)
            return partial(_xts, _Aes(key[:half]).decrypt, tweaks)
        case "cbc", ("plain64" | "plain" as numbering, "", ""):
            return partial(_cbc, _Aes(key).decrypt, partial(_plain, numbering, bytes))
        case "cbc", ("essiv", ":", hashed) if hashed in HASHES:
            digest = new(hashed, key).digest()
            if len(digest) in KEY_SIZES:
                vectors = partial(_plain, "plain64", _Aes(digest).encrypt)
                return partial(_cbc, _Aes(key).decrypt, vectors)
    raise _unknown(name, mode, key, where)


def _unknown(name: str, mode: str, key: bytes, where: str) -> UnsupportedInputError:
    return UnsupportedInputError(
        f"is encrypted in a way that is not read ({name}-{mode} with {len(key) * 8} bits)",
        where=where,
        hint="Convert it where it was made: qemu-img convert with --object secret.",
    )


class _Aes:
    """AES without any mode, over as many blocks as are given."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305

    def encrypt(self, blocks: bytes) -> bytes:
        """Encrypt whole blocks; a context of its own makes this safe on any thread."""
        return self._cipher.encryptor().update(blocks)

    def decrypt(self, blocks: bytes) -> bytes:
        """Decrypt whole blocks."""
        return self._cipher.decryptor().update(blocks)


def _plain(numbering: str, finish: Callable[[bytes], bytes], first: int, count: int) -> Words:
    """Return a vector for each sector: its number, little-endian, and what ``finish`` makes of it.

    "plain" counts in 32 bits and begins again, "plain64" does not.
    """
    numbers = np.arange(first, first + count, dtype="<u8")
    if numbering == "plain":
        numbers &= np.uint64(0xFFFF_FFFF)
    vectors = np.zeros((count, 2), dtype="<u8")
    vectors[:, 0] = numbers
    return np.frombuffer(finish(vectors.tobytes()), dtype="<u8").reshape(count, 2)


def _words(stored: bytes | memoryview) -> Words:
    return np.frombuffer(stored, dtype="<u8").reshape(-1, SECTOR // BLOCK, 2)


def _xts(
    decrypt: Callable[[bytes], bytes],
    tweaks: Callable[[int, int], Words],
    stored: bytes | memoryview,
    first: int,
) -> bytes:
    """Decrypt each block between two additions of a tweak that doubles from block to block."""
    words = _words(stored)
    mask = np.empty_like(words)
    low, high = tweaks(first, len(words)).T
    for block in range(SECTOR // BLOCK):
        mask[:, block, 0], mask[:, block, 1] = low, high
        carry, top = low >> np.uint64(63), high >> np.uint64(63)
        low = (low << np.uint64(1)) ^ (top * np.uint64(XTS_FEEDBACK))
        high = (high << np.uint64(1)) | carry
    return (_words(decrypt((words ^ mask).tobytes())) ^ mask).tobytes()


def _cbc(
    decrypt: Callable[[bytes], bytes],
    vectors: Callable[[int, int], Words],
    stored: bytes | memoryview,
    first: int,
) -> bytes:
    """Add to each decrypted block the encrypted one before it, or the sector's vector."""
    words = _words(stored)
    before = np.empty_like(words)
    before[:, 0] = vectors(first, len(words))
    before[:, 1:] = words[:, :-1]
    return (_words(decrypt(words.tobytes())) ^ before).tobytes()


def decrypted_runs(
    start: int, stop: int, at: Stored, decipher: Decipher, shift: int = 0
) -> Iterator[Run]:
    """Cut an encrypted stretch, stored at a place, into runs that are decrypted one by one.

    ``shift`` added to a place in the file gives the place that the sector's number counts.
    """
    begin = start
    while start < stop:
        end = min(stop, (start // PIECE + 1) * PIECE)
        place = at.offset + start - begin
        unpack = partial(_decrypted, decipher, (place + shift) // SECTOR, end - start)
        stored = -(-(end - start) // SECTOR) * SECTOR
        yield Run(start, end - start, Packed(at.file, place, stored, unpack))
        start = end


def _decrypted(
    decipher: Decipher, first: int, length: int, stored: bytes | memoryview
) -> bytes | bytearray:
    if len(stored) < length or len(stored) % SECTOR:
        raise ValueError(f"{length} bytes should lie here, {len(stored)} do")
    return decipher(stored, first)[:length]
