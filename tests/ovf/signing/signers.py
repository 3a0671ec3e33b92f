"""Keys, certificates and signatures made on the spot; valid from 2020 to 2100 unless said."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ovf.signing.keys import PrivateKey, Signer, pem, sign

BEGIN, END = 2020, 2100
USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
MORE_USES = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


@cache
def key_of(name: str, kind: str = "ecdsa") -> PrivateKey:
    """Make the key of a name, once: "ecdsa", or "rsa" with its bits."""
    del name
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


@cache
def signer(
    name: str = "Example",
    *,
    by: Signer | None = None,
    kind: str = "ecdsa",
    uses: str | None = "digital_signature",
    ca: bool = False,
    years: tuple[int, int] = (BEGIN, END),
) -> Signer:
    """Make a signer, by default with a certificate signed by itself; its issuers are its chain."""
    key = key_of(name, kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin, end = (datetime(year, 1, 1, tzinfo=UTC) for year in years)
    builder = x509.CertificateBuilder(
        issuer_name=by.certificate.subject if by else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=sum(name.encode()) + 1,
        not_valid_before=begin,
        not_valid_after=end,
    )
    builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if uses is not None:
        said = {use: use in uses.split() for use in (*USES, *MORE_USES)}
        builder = builder.add_extension(x509.KeyUsage(**said), critical=True)
    certificate = builder.sign(by.key if by else key, hashes.SHA256())
    chain = (by.certificate, *by.chain) if by else ()
    return Signer(key, certificate, tuple(each for each in chain if each.issuer != each.subject))


def authority(name: str = "Root", *, by: Signer | None = None) -> Signer:
    """Make a signer that vouches for others."""
    return signer(name, by=by, uses="key_cert_sign", ca=True)


def cert(
    manifest: bytes,
    who: Signer | None = None,
    *,
    algorithm: str = "SHA256",
    name: str = "web.mf",
    more: bytes = b"",
) -> bytes:
    """Return a certificate file over a manifest, as the standard has it."""
    who = who or signer()
    signature = sign(who.key, manifest, algorithm).hex()
    return f"{algorithm}({name})= {signature}\n".encode() + pem(who.certificate) + more


def pem_block(label: str, content: bytes) -> bytes:
    """Return any bytes as a PEM block."""
    lines = base64.encodebytes(content).decode()
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n".encode()


def key_file(folder: Path, who: Signer, passphrase: bytes | None = None) -> Path:
    """Write a signer's key, PKCS #8 in PEM."""
    path = folder / "key.pem"
    locked = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(who.key.private_bytes(serialization.Encoding.PEM, form, locked))
    return path


def certificate_file(folder: Path, who: Signer, name: str = "own.pem") -> Path:
    """Write a signer's certificate."""
    path = folder / name
    path.write_bytes(pem(who.certificate))
    return path


def cms_block(folder: Path, manifest: bytes, who: Signer, *options: str) -> bytes:
    """Return a signature as openssl makes it when it is asked for what VirtualBox asks for."""
    content = folder / "signed.mf"
    content.write_bytes(manifest)
    argv = ["cms", "-sign", "-binary", "-nosmimecap", "-md", "sha512", "-outform", "PEM"]
    argv += ["-in", str(content), "-signer", str(certificate_file(folder, who))]
    return b" " + openssl(*argv, "-inkey", str(key_file(folder, who)), *options)


def openssl(*arguments: str | Path) -> bytes:
    """Run openssl and return its standard output."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
