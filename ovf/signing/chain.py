"""From the signer's certificate to one that is trusted.

Spec: RFC 5280, section 6. The verdict is that of the package cryptography; it does not say what is
missing, so the way from certificate to issuer is gone along here as well, for the reasons.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import verification
from cryptography.x509.extensions import ExtensionTypeVar

from ovf.signing.keys import (
    certificates_in,
    issuer_of,
    load_certificates,
    public_key_of,
    subject_of,
)
from rehost.errors import EnvironmentFailureError
from rehost.files import is_folder

LONGEST_CHAIN = 10


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates from the signer's upwards; ``problems`` is empty if it is to be trusted."""

    certificates: tuple[x509.Certificate, ...]
    problems: tuple[str, ...]

    @property
    def is_trusted(self) -> bool:
        """Whether the last of them is trusted and each other one is vouched for by the next."""
        return not self.problems


def trusted_certificates(place: Path | None) -> list[x509.Certificate]:
    """Return the certificates in a file or a folder, by default those this computer trusts.

    Of a folder, and of the computer's own, what is no certificate is passed over.
    """
    if place is not None and not is_folder(place):
        return load_certificates(place)
    own = ssl.get_default_verify_paths()
    where = place or Path(own.cafile or own.capath or own.openssl_capath)
    found = [
        certificate
        for path in (_files_in(where) if is_folder(where) else [where])
        for certificate in certificates_in(path)
        if certificate is not None
    ]
    if not found:
        raise EnvironmentFailureError(
            "holds no certificate to be trusted",
            where=str(where),
            hint="Name a file or a folder of certificates by --trust.",
        )
    return found


def _files_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise EnvironmentFailureError(
            f"cannot be read ({error.strerror})", where=str(folder)
        ) from error


def judged(
    signer: x509.Certificate,
    others: tuple[x509.Certificate, ...],
    trusted: list[x509.Certificate],
    at: datetime,
) -> Chain:
    """Say whether a signer is vouched for by a trusted certificate, and if not, why."""
    way = climbed(signer, (*others, *trusted))
    late = not_in_force(signer, at)
    problems = [f"certificate {late}"] if late else []
    if signer in trusted:
        return Chain((signer,), tuple(problems))
    problems += [*_gaps(way, trusted), *_not_in_force(way[1:], at), *_not_issuers(way[1:])]
    if not problems:
        refusal = _refusal(signer, others, trusted, at)
        problems = [f"chain is not accepted ({refusal})"] if refusal else []
    return Chain(way, tuple(problems))


def climbed(
    signer: x509.Certificate, known: tuple[x509.Certificate, ...]
) -> tuple[x509.Certificate, ...]:
    """Return the certificates from the signer's to the last that is known, each by its issuer."""
    way = [signer]
    while len(way) < LONGEST_CHAIN and not is_self_signed(way[-1]):
        issuer = next((each for each in known if each not in way and _issued(each, way[-1])), None)
        if issuer is None:
            break
        way.append(issuer)
    return tuple(way)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Say whether a certificate names nobody else as its issuer."""
    return certificate.subject == certificate.issuer


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def not_in_force(certificate: x509.Certificate, at: datetime) -> str:
    """Return why a certificate is not valid at a time, or nothing."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if at < begins:
        return f"is not valid yet (from {moment(begins)})"
    return f"has expired ({moment(ends)})" if at > ends else ""


def moment(time: datetime) -> str:
    """Return a time as RFC 3339 writes it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def uses(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """Return what its key may be used for, in the standard's words; None where that is not said."""
    usage = extension(certificate, x509.KeyUsage)
    if usage is None:
        return None
    said = {
        "digitalSignature": usage.digital_signature,
        "nonRepudiation": usage.content_commitment,
        "keyEncipherment": usage.key_encipherment,
        "dataEncipherment": usage.data_encipherment,
        "keyAgreement": usage.key_agreement,
        "keyCertSign": usage.key_cert_sign,
        "cRLSign": usage.crl_sign,
    }
    return tuple(name for name, is_so in said.items() if is_so)


def may_sign(certificate: x509.Certificate) -> bool:
    """Say whether a certificate lets its key sign packages."""
    said = uses(certificate)
    return said is None or bool({"digitalSignature", "nonRepudiation"} & set(said))


def unmeant(certificate: x509.Certificate) -> str:
    """Return why a certificate's key may not sign packages, or nothing."""
    if may_sign(certificate):
        return ""
    said = ", ".join(uses(certificate) or ()) or "nothing"
    return f"is not meant for signatures (keyUsage is {said})"


def extension(
    certificate: x509.Certificate, kind: type[ExtensionTypeVar]
) -> ExtensionTypeVar | None:
    """Return an extension, None where there is none; one that cannot be read raises ValueError."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except x509.DuplicateExtension as error:
        raise ValueError(str(error)) from error


def _gaps(way: tuple[x509.Certificate, ...], trusted: list[x509.Certificate]) -> Iterator[str]:
    last = way[-1]
    if any(each in trusted for each in way):
        return
    if len(way) == 1 and is_self_signed(last):
        yield "certificate is signed by itself, and not trusted"
    elif is_self_signed(last):
        yield f"chain ends at a certificate that is not trusted ({subject_of(last)})"
    else:
        yield f"issuer's certificate is not there, or not trusted ({issuer_of(last)})"


def _not_in_force(issuers: tuple[x509.Certificate, ...], at: datetime) -> Iterator[str]:
    for issuer in issuers:
        why = not_in_force(issuer, at)
        if why:
            yield f"issuer's certificate {why}: {subject_of(issuer)}"


def _not_issuers(issuers: tuple[x509.Certificate, ...]) -> Iterator[str]:
    for issuer in issuers:
        if not is_issuer(issuer):
            yield f"issuer's certificate may not vouch for others: {subject_of(issuer)}"


def is_issuer(certificate: x509.Certificate) -> bool:
    """Say whether a certificate may sign others."""
    try:
        basic, said = extension(certificate, x509.BasicConstraints), uses(certificate)
    except ValueError:
        return False
    return bool(basic and basic.ca) and (said is None or "keyCertSign" in said)


def _refusal(
    signer: x509.Certificate,
    others: tuple[x509.Certificate, ...],
    trusted: list[x509.Certificate],
    at: datetime,
) -> str:
    """Return why the chain is refused, or nothing; packages bear no host names to compare."""
    anything = verification.ExtensionPolicy.permit_all()
    issuing = anything.require_present(
        x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
    )
    try:
        public_key_of(signer)
        builder = verification.PolicyBuilder().store(verification.Store(trusted)).time(at)
        builder = builder.extension_policies(ca_policy=issuing, ee_policy=anything)
        builder.build_client_verifier().verify(signer, list(others))
    except (verification.VerificationError, ValueError) as error:
        return str(error).removeprefix("validation failed: ").partition(" (encountered")[0]
    return ""
