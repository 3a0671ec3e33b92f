"""The second signature that VirtualBox puts behind the certificate: CMS signed data.

Spec: RFC 5652. `VBoxManage signova` writes signed data without the content it is about, which is
the manifest, with SHA-512 where the first signature has SHA-256 or SHA-1, and with signed
attributes; the certificates in it are the signer's and those between it and a trusted one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms
from asn1crypto.core import SetOf
from cryptography import x509

from ovf.signing import keys

MOST_SIGNERS = 16
PLAIN = ("rsassa_pkcs1v15", "ecdsa")
WITH_DIGEST = re.compile(r"(sha\d+)_(rsa|ecdsa)")


@dataclass(frozen=True, slots=True)
class SignedData:
    """What was found: by whom the content is signed, and what is wrong with each signature."""

    signers: tuple[tuple[x509.Certificate, str], ...]
    certificates: tuple[x509.Certificate, ...]
    problems: tuple[str, ...]


class _NotTrueError(Exception):
    """A signature does not hold; its text says why."""


def check(encoded: bytes, content: bytes, known: tuple[x509.Certificate, ...] = ()) -> SignedData:
    """Verify signed data about ``content``; ``known`` are certificates that may be left out."""
    try:
        signed = _signed_data(encoded)
        inside = tuple(_certificates(signed))
        infos = list(signed["signer_infos"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return SignedData((), (), ("CMS signature cannot be read",))
    except _NotTrueError as error:
        return SignedData((), (), (str(error),))
    if not 0 < len(infos) <= MOST_SIGNERS:
        return SignedData((), inside, (f"CMS signature has {len(infos)} signers",))
    signers, problems = [], []
    for info in infos:
        try:
            signers.append(_signer(signed, info, content, (*inside, *known)))
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):
            problems.append("CMS signature cannot be read")
        except _NotTrueError as error:
            problems.append(str(error))
    return SignedData(tuple(signers), inside, tuple(problems))


def _signed_data(encoded: bytes) -> Any:
    outer = cms.ContentInfo.load(encoded, strict=True)
    kind = outer["content_type"].native
    if kind != "signed_data":
        raise _NotTrueError(f"CMS block is no signature ({kind})")
    return outer["content"]


def _certificates(signed: Any) -> Iterator[x509.Certificate]:
    for choice in signed["certificates"]:
        if choice.name == "certificate":
            yield keys.parsed(choice.chosen.dump())


def _signer(
    signed: Any, info: Any, content: bytes, known: tuple[x509.Certificate, ...]
) -> tuple[x509.Certificate, str]:
    """Return who signed and with which digest, or raise what is wrong."""
    algorithm = str(info["digest_algorithm"]["algorithm"].native).upper()
    if algorithm not in keys.HASHES:
        raise _NotTrueError(f"CMS signature has a digest that is not used ({algorithm})")
    certificate = _named(info["sid"], known)
    if certificate is None:
        raise _NotTrueError("CMS signature's certificate is not there")
    inner = signed["encap_content_info"]
    enclosed = inner["content"].native
    if enclosed is not None and enclosed != content:
        raise _NotTrueError("CMS signature is of another manifest")
    key = keys.public_key_of(certificate)
    about = _signed_bytes(info, str(inner["content_type"].native), content, algorithm)
    how = str(info["signature_algorithm"]["algorithm"].native)
    said = WITH_DIGEST.fullmatch(how)
    if said is None and how not in PLAIN:
        raise _NotTrueError(f"CMS signature is made in a way that is not used ({how})")
    digest = said[1].upper() if said else algorithm
    if not keys.is_true(key, info["signature"].native, about, digest):
        raise _NotTrueError(f"CMS signature is not that of {keys.subject_of(certificate)}")
    return certificate, algorithm


def _signed_bytes(info: Any, kind: str, content: bytes, algorithm: str) -> bytes:
    """Return what the key signed: the content, or attributes which hold its digest."""
    attributes = info["signed_attrs"]
    if not len(attributes):
        return content
    values = {each["type"].native: each["values"] for each in attributes}
    digests, kinds = values.get("message_digest"), values.get("content_type")
    if digests is None or kinds is None or not len(digests) == len(kinds) == 1:
        raise _NotTrueError("CMS signature's attributes lack the digest or the kind of content")
    if kinds[0].native != kind:
        raise _NotTrueError("CMS signature's attributes tell of another kind of content")
    if digests[0].native != hashlib.new(algorithm.lower(), content).digest():
        raise _NotTrueError("CMS signature is of another manifest")
    retagged: SetOf = attributes.untag()
    return bytes(retagged.dump(force=True))


def _named(identifier: Any, known: tuple[x509.Certificate, ...]) -> x509.Certificate | None:
    """Return the certificate that issuer and number, or a key's identifier, stand for."""
    chosen = identifier.chosen
    for certificate in known:
        if identifier.name == "issuer_and_serial_number":
            same_issuer = certificate.issuer.public_bytes() == chosen["issuer"].dump()
            if same_issuer and keys.number_of(certificate) == chosen["serial_number"].native:
                return certificate
        elif _key_identifier(certificate) == chosen.native:
            return certificate
    return None


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
    return found.value.digest
