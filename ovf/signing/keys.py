"""Keys and certificates: reading those a user names, making some for tests, and using them.

Signatures are RSA with PKCS #1 v1.5 padding or ECDSA with a DER-encoded pair (RFC 8017, RFC 5480),
as openssl, ovftool and VirtualBox make them. The package cryptography does the work, so this
module is imported only where something is signed or verified.
"""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from rehost.errors import DamagedInputError, UnsupportedInputError, UsageError
from rehost.files import LocalFile, read_all
from rehost.outputs import refuse_clashes, staged, writing

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
LARGEST = 16 << 20
PEM_LINE = re.compile(rb"-----(BEGIN|END) (?:X509 )?CERTIFICATE-----")
UNREADABLE = (
    *(ValueError, TypeError, OverflowError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "SHA1": hashes.SHA1,
    "SHA224": hashes.SHA224,
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
LONGEST_COMMON_NAME = 64
"""RFC 5280, appendix A.1, ub-common-name."""
RSA_BITS = 3072
LEAST_RSA = 2048
LEAST_ECDSA = 224
KEY_HINT = "Make an RSA or ECDSA key, as `rehost ovf testkey` does."


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a key, its certificate, and the certificates between that and a trusted one."""

    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()


def load_signer(
    key: Path, certificate: Path, chain: Path | None = None, passphrase: bytes | None = None
) -> Signer:
    """Read a signer from PEM or DER files; more certificates in the first one are its chain."""
    own, *others = load_certificates(certificate)
    others += load_certificates(chain) if chain else []
    return _matched(_private_key(key, passphrase), own, others, str(key))


def load_pkcs12(path: Path, passphrase: bytes | None) -> Signer:
    """Read a signer from a PKCS #12 file (RFC 7292)."""
    content = read_all(LocalFile(path), LARGEST)
    try:
        key, own, others = pkcs12.load_key_and_certificates(content, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DamagedInputError(
            "PKCS #12 file cannot be read, or the passphrase is wrong",
            where=str(path),
            hint="Give its passphrase by --passphrase-file.",
        ) from error
    if key is None or own is None:
        raise DamagedInputError("holds no key with its certificate", where=str(path))
    return _matched(key, own, others, str(path))


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates in a PEM or DER file."""
    found = []
    for certificate in certificates_in(path):
        if certificate is None:
            raise DamagedInputError(
                "holds a certificate that cannot be read, or none",
                where=str(path),
                hint="PEM or DER is read.",
            )
        found.append(certificate)
    return found


def certificates_in(path: Path) -> Iterator[x509.Certificate | None]:
    """Yield the certificates in a PEM or DER file, None for one that cannot be read."""
    content = read_all(LocalFile(path), LARGEST)
    for encoded in list(_armoured(content)) or [content]:
        try:
            yield parsed(_unarmoured(encoded))
        except ValueError:
            yield None


def _armoured(content: bytes) -> Iterator[bytes]:
    """Yield what lies between a BEGIN and the next END, with both; each line is looked at once."""
    start = None
    for line in PEM_LINE.finditer(content):
        if line[1] == b"BEGIN":
            start = line.start() if start is None else start
        elif start is not None:
            yield content[start : line.end()]
            start = None


def parsed(encoded: bytes) -> x509.Certificate:
    """Read a certificate whole, in DER; any part that cannot be read raises ValueError."""
    try:
        with warnings.catch_warnings(action="ignore"):
            certificate = x509.load_der_x509_certificate(encoded)
            _ = certificate.subject, certificate.issuer, list(certificate.extensions)
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE as error:
        raise ValueError(str(error)) from error
    return certificate


def number_of(certificate: x509.Certificate) -> int:
    """Return a certificate's serial number; some that were made by hand have zero, or less."""
    with warnings.catch_warnings(action="ignore"):
        return certificate.serial_number


def _unarmoured(encoded: bytes) -> bytes:
    """Return what PEM holds; what is no PEM stays."""
    lines = encoded.split(b"\n")
    return base64.b64decode(b"".join(lines[1:-1])) if encoded.startswith(b"-----") else encoded


def _private_key(path: Path, passphrase: bytes | None) -> object:
    content = read_all(LocalFile(path), LARGEST)
    is_pem = b"-----BEGIN" in content
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        return load(content, passphrase)
    except TypeError as error:
        is_locked = passphrase is None
        raise UsageError(
            "key is encrypted, and no passphrase was given"
            if is_locked
            else "key is not encrypted, but a passphrase was given",
            where=str(path),
            hint="Name its file by --passphrase-file." if is_locked else "Leave it out.",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DamagedInputError(
            "key cannot be read, or the passphrase is wrong",
            where=str(path),
            hint="PEM or DER is read.",
        ) from error


def _matched(
    key: object, own: x509.Certificate, others: Iterable[x509.Certificate], where: str
) -> Signer:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnsupportedInputError(
            f"key is neither RSA nor ECDSA ({type(key).__name__})", where=where, hint=KEY_HINT
        )
    try:
        certified = public_key_of(own)
    except ValueError as error:
        raise UnsupportedInputError(f"certificate's {error}", where=where, hint=KEY_HINT) from None
    if key.public_key() != certified:
        raise UsageError(
            f"key is not that of the certificate ({subject_of(own)})",
            where=where,
            hint="Name the key the certificate was made for.",
        )
    return Signer(key, own, tuple(others))


def make_signer(name: str, *, kind: str, days: int, now: datetime) -> Signer:
    """Make a key and a certificate that is signed by itself, for tests."""
    if not 0 < len(name) <= LONGEST_COMMON_NAME or not name.isprintable():
        raise UsageError(
            f"is no name for a certificate ({name!r})",
            hint=f"It has 1 to {LONGEST_COMMON_NAME} characters.",
        )
    key: PrivateKey
    if kind == "rsa":
        key = rsa.generate_private_key(65537, RSA_BITS)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder(issuer_name=subject, subject_name=subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Signer(key, made.sign(key, hashes.SHA256()))


def write_signer(signer: Signer, key: Path, certificate: Path, *, force: bool = False) -> None:
    """Write a key, not encrypted but for its owner alone (PKCS #8, PEM), and its certificate."""
    refuse_clashes([key, certificate])
    content = signer.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with staged(certificate, force=force) as public, staged(key, force=force) as private:
        with writing(key):
            private.touch(mode=0o600)
            private.write_bytes(content)
        with writing(certificate):
            public.write_bytes(pem(signer.certificate))


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def public_key_of(certificate: x509.Certificate) -> PublicKey:
    """Return the key of a certificate, or raise ValueError with why it cannot be used."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("key is of a kind or size that is not used") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError(f"key is neither RSA nor ECDSA ({type(key).__name__})")
    return key


def is_too_short(key: PublicKey) -> bool:
    """Say whether a key can be broken with the means of our time."""
    return key.key_size < (LEAST_RSA if isinstance(key, rsa.RSAPublicKey) else LEAST_ECDSA)


def key_text(key: PublicKey) -> str:
    """Return the kind and size of a key: "RSA, 2048 bits"."""
    kind = "RSA" if isinstance(key, rsa.RSAPublicKey) else "ECDSA"
    return f"{kind}, {key.key_size} bits"


def sign(key: PrivateKey, content: bytes, algorithm: str) -> bytes:
    """Sign with a digest of ``HASHES``."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), HASHES[algorithm]())
    return key.sign(content, ec.ECDSA(HASHES[algorithm]()))


def is_true(key: PublicKey, signature: bytes, content: bytes, algorithm: str) -> bool:
    """Say whether a signature is that of the key over the content."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, padding.PKCS1v15(), HASHES[algorithm]())
        else:
            key.verify(signature, content, ec.ECDSA(HASHES[algorithm]()))
    except (InvalidSignature, ValueError):
        return False
    return True


def subject_of(certificate: x509.Certificate) -> str:
    """Return whose certificate it is, as RFC 4514 writes names."""
    return _name(certificate, "subject")


def issuer_of(certificate: x509.Certificate) -> str:
    """Return who vouches for it."""
    return _name(certificate, "issuer")


def _name(certificate: x509.Certificate, which: str) -> str:
    try:
        name: x509.Name = getattr(certificate, which)
    except ValueError:
        return "a name that cannot be read"
    return name.rfc4514_string() or "an empty name"
