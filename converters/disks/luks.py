"""LUKS version 1: a header whose key slots each hold the disk's key, locked by a passphrase.

Source: "LUKS On-Disk Format Specification", version 1.2.3. All integers are big-endian. The header
may begin anywhere in a file: in a qcow2 image it lies among the clusters.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import new, pbkdf2_hmac
from hmac import compare_digest
from typing import ClassVar

import numpy as np

from converters.disks.ciphers import HASHES, Decipher, sector_cipher
from converters.disks.image import SECTOR
from rehost.errors import DamagedInputError, RefusedError, UnsupportedInputError
from rehost.files import File

MAGIC = b"LUKS\xba\xbe"
ACTIVE = 0x00AC71F3
SLOTS = 8
DIGEST = 20
LONGEST_KEY = 128
MOST_STRIPES = 16384
MOST_ITERATIONS = 100_000_000
"""Of all key slots together: minutes, where hashing without end was meant to take hours."""
OPTION = "Pass it with --passphrase-file FILE."


def begins_luks(file: File) -> bool:
    """Say whether a file begins with a LUKS header, of whatever version."""
    return file.pread(0, len(MAGIC)) == MAGIC


@dataclass(frozen=True, slots=True)
class Slot:
    """A key slot that is in use; ``material_at`` counts bytes from the header's beginning."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">II32sII")

    iterations: int
    salt: bytes
    material_at: int
    stripes: int


@dataclass(frozen=True, slots=True)
class LuksHeader:
    """What lies at ``offset`` of a file; ``payload_at`` counts bytes from there."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">6sH32s32s32sII20s32sI40s")

    cipher: str
    mode: str
    hashing: str
    payload_at: int
    key_size: int
    digest: bytes
    salt: bytes
    iterations: int
    uuid: str
    slots: tuple[Slot, ...]
    offset: int = 0

    @classmethod
    def read(cls, file: File, offset: int = 0) -> LuksHeader:
        """Read and check the header at an offset."""
        where = f"{file.name} at {offset}"
        raw = file.pread(offset, cls.LAYOUT.size + SLOTS * Slot.LAYOUT.size)
        if len(raw) < cls.LAYOUT.size + SLOTS * Slot.LAYOUT.size:
            raise DamagedInputError("the LUKS header is cut short", where=where)
        magic, version, *names, payload, key_size, digest, salt, iterations, uuid = (
            cls.LAYOUT.unpack_from(raw)
        )
        cipher, mode, hashing = (_name(each) for each in names)
        if magic != MAGIC:
            raise DamagedInputError(f"no LUKS header (found {magic!r})", where=where)
        if version != 1:
            raise UnsupportedInputError(
                f"is encrypted by a version of LUKS that is not read ({version})",
                where=where,
                hint="Open it with cryptsetup and convert the disk that it shows.",
            )
        if hashing not in HASHES:
            raise UnsupportedInputError(
                f"is encrypted with a hash that is not known ({hashing!r})", where=where
            )
        slots = tuple(_slots(raw[cls.LAYOUT.size :], where))
        found = cls(
            *(cipher, mode, hashing, payload * SECTOR, key_size, digest, salt, iterations),
            uuid=_name(uuid),
            slots=slots,
            offset=offset,
        )
        found.check(where)
        return found

    def check(self, where: str) -> None:
        """Refuse numbers that would cost memory or time without end."""
        if not 0 < self.key_size <= LONGEST_KEY:
            raise DamagedInputError(
                f"the LUKS key's length is impossible ({self.key_size} bytes)", where=where
            )
        rounds = [self.iterations, *(slot.iterations for slot in self.slots)]
        worst = max(rounds) if max(rounds) > MOST_ITERATIONS else sum(rounds)
        if not min(rounds) or worst > MOST_ITERATIONS:
            raise DamagedInputError(
                f"the LUKS header asks for {worst if min(rounds) else 0} rounds of hashing "
                f"(between 1 and {MOST_ITERATIONS} make sense)",
                where=where,
            )
        for slot in self.slots:
            if not 0 < slot.stripes <= MOST_STRIPES:
                raise DamagedInputError(
                    f"a LUKS key has an impossible number of stripes ({slot.stripes})", where=where
                )

    def told(self) -> dict[str, object]:
        """Return what ``disk info`` says of it."""
        return {
            "cipher": f"{self.cipher}-{self.mode}",
            "keyBits": self.key_size * 8,
            "hash": self.hashing,
            "keySlots": len(self.slots),
            "uuid": self.uuid,
        }

    def unlock(self, file: File, passphrase: str | None) -> Decipher:
        """Return what decrypts the disk's sectors, or refuse a passphrase that opens no slot."""
        where = file.name
        if passphrase is None:
            raise RefusedError(
                "is encrypted, and no passphrase was given", where=where, hint=OPTION
            )
        for slot in self.slots:
            key = self._key(file, slot, passphrase.encode("utf-8", "surrogateescape"))
            digest = pbkdf2_hmac(self.hashing, key, self.salt, self.iterations, DIGEST)
            if compare_digest(digest, self.digest):
                return sector_cipher(self.cipher, self.mode, key, where)
        raise RefusedError(
            f"is encrypted, and the passphrase opens none of its {len(self.slots)} key slots",
            where=where,
            hint="Check it, and that its file ends where the passphrase does: "
            "--passphrase-file FILE.",
        )

    def _key(self, file: File, slot: Slot, passphrase: bytes) -> bytes:
        """Return the disk's key if the passphrase is right, and anything if it is not."""
        length = self.key_size * slot.stripes
        at = self.offset + slot.material_at
        material = file.pread(at, -(-length // SECTOR) * SECTOR)
        if len(material) < length or len(material) % SECTOR:
            raise DamagedInputError(
                "the LUKS key material lies behind the end of the file",
                where=f"{file.name} at {at}",
                hint="The file is cut short; copy it again.",
            )
        lock = pbkdf2_hmac(self.hashing, passphrase, slot.salt, slot.iterations, self.key_size)
        decipher = sector_cipher(self.cipher, self.mode, lock, file.name)
        return merged(decipher(material, 0)[:length], slot.stripes, self.hashing)


def _name(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("ascii", "replace")


def _slots(raw: bytes, where: str) -> Iterator[Slot]:
    found = [each for each in Slot.LAYOUT.iter_unpack(raw) if each[0] == ACTIVE]
    if not found:
        raise DamagedInputError("the LUKS header has no key slot in use", where=where)
    for _, iterations, salt, material, stripes in found:
        yield Slot(iterations, salt, material * SECTOR, stripes)


def merged(split: bytes, stripes: int, hashing: str) -> bytes:
    """Merge what the anti-forensic splitter split: every stripe is needed to know one bit."""
    size = len(split) // stripes
    rows = np.frombuffer(split, dtype=np.uint8).reshape(stripes, size)
    held = np.zeros(size, dtype=np.uint8)
    for row in rows[:-1]:
        held = np.frombuffer(_diffused((held ^ row).tobytes(), hashing), dtype=np.uint8)
    key: bytes = (held ^ rows[-1]).tobytes()
    return key


def _diffused(block: bytes, hashing: str) -> bytes:
    """Hash a stripe piece by piece, each of a digest's length and with its number before it."""
    size = new(hashing).digest_size
    pieces = [
        new(hashing, number.to_bytes(4, "big") + block[at : at + size]).digest()
        for number, at in enumerate(range(0, len(block), size))
    ]
    return b"".join(pieces)[: len(block)]
