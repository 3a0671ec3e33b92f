"""Whether a package is what its signer signed, and whether the signer is to be trusted.

Spec: DSP0243 clause 5.1 for digests and signature, RFC 5280 for the certificates. A package is
verified when every file has its digest, the manifest its signature, and the signer's certificate,
in force and meant for signatures, leads to one that is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ovf.manifest import Manifest, coverage, differences, read_manifest
from ovf.package import Package
from ovf.signing import chain, keys
from ovf.signing.signature import Examination, examine
from rehost.errors import InteropError
from rehost.progress import SILENT, Progress
from rehost.report import Severity

NOTED = ("CRT-005", "CRT-006")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it is told; times are RFC 3339, ``usage`` is null where it does not say."""

    subject: str
    issuer: str
    serial: str
    valid_from: str
    valid_until: str
    key: str
    usage: tuple[str, ...] | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Attestation:
    """What is true of a package's manifest, its signature and its signer, and what is not.

    ``files`` counts the entries of the manifest; ``cms`` are the digests of further signatures.
    """

    manifest: str | None
    files: int
    digests_hold: bool
    certificate: str | None
    algorithm: str | None
    signature_holds: bool
    cms: tuple[str, ...]
    chain: tuple[Certificate, ...]
    trusted: bool
    problems: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def is_verified(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.problems


def verify(
    package: Package,
    trusted: list[x509.Certificate],
    at: datetime,
    progress: Progress = SILENT,
) -> Attestation:
    """Check digests, signature and certificates, and tell all there is to tell."""
    manifest, unreadable = _manifest(package)
    false = [*unreadable, *_false_digests(package, manifest, progress)]
    examination = examine(package, at)
    wrong = list(_wrong(package, examination))
    unfit = list(_unfit(examination.signer)) if examination and examination.signer else []
    signer = examination.signer if examination else None
    others = examination.others if examination else ()
    way = chain.judged(signer, others, trusted, at) if signer else chain.Chain((), ())
    return Attestation(
        manifest=None if manifest is None else package.manifest_name,
        files=len(manifest.entries) if manifest else 0,
        digests_hold=not false,
        certificate=examination.name if examination else None,
        algorithm=(examination.algorithm or None) if examination else None,
        signature_holds=not wrong,
        cms=examination.cms if examination else (),
        chain=tuple(map(_told, way.certificates)),
        trusted=signer is not None and way.is_trusted,
        problems=(*false, *wrong, *unfit, *way.problems),
        remarks=tuple(_remarks(examination, unfit)),
    )


def _manifest(package: Package) -> tuple[Manifest | None, list[str]]:
    try:
        manifest = read_manifest(package)
    except InteropError as error:
        return None, [str(error)]
    return manifest, [f"{package.path}: has no manifest"] if manifest is None else []


def _false_digests(
    package: Package, manifest: Manifest | None, progress: Progress
) -> Iterator[str]:
    if manifest is None:
        return
    for finding in coverage(package, manifest):
        if finding.severity is Severity.ERROR:
            yield f"{finding.location}: {finding.message}"
    yield from map(str, differences(package, manifest, progress=progress))


def _wrong(package: Package, examination: Examination | None) -> Iterator[str]:
    """Tell what is wrong with the signature itself."""
    if examination is None:
        yield f"{package.path}: is not signed"
    for finding in examination.findings if examination else ():
        if finding.severity is Severity.ERROR:
            yield f"{finding.location}: {finding.message}"


def _unfit(signer: x509.Certificate) -> Iterator[str]:
    """Tell why the signer's certificate is none to sign packages with."""
    if why := chain.unmeant(signer):
        yield f"certificate {why}"
    try:
        key = keys.public_key_of(signer)
    except ValueError:
        return
    if keys.is_too_short(key):
        yield f"key is too short to be safe ({keys.key_text(key)})"


def _remarks(examination: Examination | None, told: list[str]) -> Iterator[str]:
    for finding in examination.findings if examination else ():
        if finding.rule in NOTED and finding.message not in told:
            yield f"{finding.location}: {finding.message}"


def _told(certificate: x509.Certificate) -> Certificate:
    try:
        key = keys.key_text(keys.public_key_of(certificate))
    except ValueError:
        key = "unknown"
    return Certificate(
        keys.subject_of(certificate),
        keys.issuer_of(certificate),
        f"{keys.number_of(certificate):x}",
        chain.moment(certificate.not_valid_before_utc),
        chain.moment(certificate.not_valid_after_utc),
        key,
        chain.uses(certificate),
        certificate.fingerprint(hashes.SHA256()).hex(),
    )
