"""Certificate files: a signature of the manifest and, as PEM blocks, who made it.

Spec: DSP0243 clause 5.1: a line ``SHA256(web.mf)= <hexadecimal signature>``, then one X.509
certificate. Others write more behind it: intermediate certificates, and VirtualBox a second
signature in a block ``CMS`` (RFC 5652), which begins after a space. PEM as of RFC 7468.

This reads the grammar alone; what the blocks hold is for ``ovf.signing.signature``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.files import read_all
from rehost.report import Location
from rehost.tracked import summary

LARGEST = 1 << 20
MOST_BLOCKS = 64
LONGEST_LINE = 20_000
LINE = re.compile(
    r"(?P<algorithm>SHA-?(?:2-)?(?:1|224|256|384|512))\s*\((?P<name>.+)\)\s*=\s*"
    r"(?P<signature>(?:[0-9a-f]{2})+)",
    re.IGNORECASE,
)
MARK = re.compile(r"-----(?P<which>BEGIN|END) (?P<label>[A-Z0-9#]+(?: [A-Z0-9#]+)*)-----")
CERTIFICATE = ("CERTIFICATE", "X509 CERTIFICATE")
CMS = ("CMS", "PKCS7", "PKCS #7 SIGNED DATA")


@dataclass(frozen=True, slots=True)
class Block:
    """What a PEM block holds, decoded; ``line`` is that of its beginning."""

    label: str
    content: bytes
    line: int


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A certificate file: whose manifest is signed how, and its blocks in their order.

    ``text_at`` is the line of the first text that belongs to no block.
    """

    where: str
    algorithm: str
    name: str
    signature: bytes
    blocks: tuple[Block, ...]
    text_at: int | None = None

    @property
    def certificates(self) -> tuple[Block, ...]:
        """The certificates: the signer's first."""
        return tuple(block for block in self.blocks if block.label in CERTIFICATE)

    @property
    def cms(self) -> tuple[Block, ...]:
        """Further signatures, in the form VirtualBox adds."""
        return tuple(block for block in self.blocks if block.label in CMS)

    def at(self, line: int = 1) -> Location:
        """Return a place in it."""
        return Location(self.where, line)


def read_certificate_file(package: Package) -> CertificateFile | None:
    """Return a package's certificate file, or None where it has none."""
    name = package.certificate_name
    if name is None:
        return None
    content = read_all(package.member(name), LARGEST)
    return parse_certificate_file(content, package.where(name))


def parse_certificate_file(content: bytes, where: str) -> CertificateFile:
    """Read a certificate file; what leaves doubt of who signed what is an error with its line."""
    lines = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n")
    first = lines[0].strip()
    said = LINE.fullmatch(_text(first)) if len(first) <= LONGEST_LINE else None
    if said is None:
        raise DamagedInputError(
            f"first line is not a signature ({summary(_text(first[:200]))!r})",
            where=f"{where}:1",
            hint="It is 'SHA256(name.mf)= signature', in hexadecimal.",
        )
    blocks: list[Block] = []
    text_at = None
    for number, found in _blocks(lines[1:], where):
        if found is None:
            text_at = text_at or number
        elif len(blocks) == MOST_BLOCKS:
            raise DamagedInputError(
                f"has more than {MOST_BLOCKS} PEM blocks", where=f"{where}:{number}"
            )
        else:
            blocks.append(found)
    algorithm = re.sub(r"^SHA-?(2-)?", "SHA", said["algorithm"].upper())
    signature = bytes.fromhex(said["signature"])
    return CertificateFile(where, algorithm, said["name"], signature, tuple(blocks), text_at)


def _blocks(lines: list[bytes], where: str) -> Iterator[tuple[int, Block | None]]:
    """Yield each block and, as None, each line of other text; lines are counted from 2."""
    inside: list[bytes] = []
    label, began = "", 0
    for number, line in enumerate(lines, 2):
        mark = MARK.fullmatch(_text(line.strip())) if len(line) <= LONGEST_LINE else None
        if mark is None and label:
            inside.append(line)
        elif mark is None:
            if line.strip():
                yield number, None
        elif mark["which"] == "BEGIN" and not label:
            inside, label, began = [], mark["label"], number
        elif mark["which"] == "END" and mark["label"] == label:
            yield began, Block(label, _decoded(inside, began, where), began)
            label = ""
        else:
            wanted = f"END {label}" if label else "BEGIN"
            raise DamagedInputError(
                f"PEM block is marked wrongly ({mark[0]!r} where {wanted} should be)",
                where=f"{where}:{number}",
            )
    if label:
        raise DamagedInputError(f"PEM block has no end ({label})", where=f"{where}:{began}")


def _decoded(lines: list[bytes], began: int, where: str) -> bytes:
    try:
        return base64.b64decode(b"".join(line.strip() for line in lines), validate=True)
    except binascii.Error as error:
        raise DamagedInputError(
            f"PEM block is not Base64 ({error})", where=f"{where}:{began}"
        ) from None


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace")
