"""What a package's signature says: who signed the manifest, and whether that is still true.

Spec: DSP0243 clause 5.1. What is odd becomes findings under the ids of the rules CRT-001 to
CRT-007, which ``ovf.rules.certificates`` explains. Whom to trust is asked in
``ovf.signing.verify``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ovf.manifest import LARGEST, Manifest, parse_manifest
from ovf.package import Package
from ovf.signing.certificate import CERTIFICATE, CertificateFile, read_certificate_file
from rehost.errors import DamagedInputError, RefusedError
from rehost.files import read_all
from rehost.report import Finding, Location, Severity

if TYPE_CHECKING:
    from cryptography import x509

    from ovf.signing.cms import SignedData

SEVERITIES = {
    "CRT-001": Severity.ERROR,
    "CRT-002": Severity.ERROR,
    "CRT-003": Severity.ERROR,
    "CRT-004": Severity.WARNING,
    "CRT-005": Severity.WARNING,
    "CRT-006": Severity.INFO,
    "CRT-007": Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out about a signature, as far as it could be read.

    ``cms`` are the digests with which further signatures say the same; ``others`` all certificates
    there are but the signer's.
    """

    name: str
    algorithm: str = ""
    signer: x509.Certificate | None = None
    others: tuple[x509.Certificate, ...] = ()
    cms: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Signed:
    """A certificate file with the manifest it is about, None where that is missing."""

    file: CertificateFile
    package: Package
    content: bytes | None

    def manifest(self) -> Manifest | None:
        name = self.package.manifest_name
        if name is None or self.content is None:
            return None
        try:
            return parse_manifest(self.content, self.package.where(name))
        except DamagedInputError:
            return None


def is_signed(package: Package) -> bool:
    """Say whether a package has a certificate, so that changing its files breaks a signature."""
    return package.certificate_name is not None


def examine(package: Package, at: datetime | None = None) -> Examination | None:
    """Return what is to be said of a package's signature, now or at a time; None without one."""
    name = package.certificate_name
    if name is None:
        return None
    try:
        file = read_certificate_file(package)
        manifest = package.manifest_name
    except (DamagedInputError, RefusedError) as error:
        return Examination(name, findings=(_found("CRT-001", error.what, error.where),))
    if file is None:
        return None
    content = None if manifest is None else read_all(package.member(manifest), LARGEST)
    return _examined(name, _Signed(file, package, content), at or datetime.now(UTC))


def _examined(name: str, signed: _Signed, at: datetime) -> Examination:
    from ovf.signing import cms

    file, content = signed.file, signed.content
    certificates, findings = _loaded(file)
    findings += [*_named(signed), *_extra(file)]
    second: list[SignedData] = []
    if content is not None:
        for block in file.cms:
            second.append(cms.check(block.content, content, tuple(certificates)))
            problems = [*second[-1].problems, *_strangers(second[-1], certificates)]
            findings += [_found("CRT-003", said, file.at(block.line)) for said in problems]
    signer = certificates[0] if certificates else None
    inside = [each for data in second for each in data.certificates]
    others = tuple(dict.fromkeys(each for each in (*certificates, *inside) if each != signer))
    if signer is not None:
        findings += [*_true(signed, signer), *_vouched(file, signer, others, at)]
    findings += [*_same_digest(signed), *_edited(signed)]
    digests = tuple(digest for data in second for who, digest in data.signers if who == signer)
    return Examination(name, file.algorithm, signer, others, digests, tuple(findings))


def _strangers(data: SignedData, certificates: list[x509.Certificate]) -> Iterator[str]:
    """Tell of a CMS signature that is true, but of none whose certificate the file is of."""
    from ovf.signing import keys

    whose = [certificate for certificate, _ in data.signers]
    if whose and certificates and certificates[0] not in whose:
        names = ", ".join(map(keys.subject_of, whose))
        yield f"CMS signature is of another signer ({names})"


def _loaded(file: CertificateFile) -> tuple[list[x509.Certificate], list[Finding]]:
    """Return the certificates that can be read: the first, if it can, is the signer's."""
    from ovf.signing import keys

    if not file.blocks or file.blocks[0].label not in CERTIFICATE:
        said = f", but {file.blocks[0].label} first" if file.blocks else ""
        message = f"no certificate follows the signature{said}"
        return [], [_found("CRT-002", message, file.at(file.blocks[0].line if said else 1))]
    found, findings = [], []
    for number, block in enumerate(file.certificates):
        try:
            found.append(keys.parsed(block.content))
        except ValueError:
            findings.append(_found("CRT-002", "certificate cannot be read", file.at(block.line)))
            if number == 0:
                return [], findings
    return found, findings


def _named(signed: _Signed) -> Iterator[Finding]:
    file, manifest = signed.file, signed.package.manifest_name
    if manifest is not None and file.name.strip().removeprefix("./") != manifest:
        message = f"signs {file.name!r}, not the manifest ({manifest!r})"
        yield _found("CRT-001", message, file.at())


def _extra(file: CertificateFile) -> Iterator[Finding]:
    for block in file.blocks[1:]:
        if block in file.certificates:
            message = "holds another certificate, which most readers pass over"
        elif block in file.cms:
            message = "holds a CMS signature, which VirtualBox alone reads"
        else:
            message = f"holds a block that nobody reads ({block.label})"
        yield _found("CRT-006", message, file.at(block.line))
    if file.text_at is not None:
        yield _found("CRT-006", "holds text that is in no block", file.at(file.text_at))


def _true(signed: _Signed, signer: x509.Certificate) -> Iterator[Finding]:
    from ovf.signing import keys

    file, at = signed.file, signed.file.at()
    try:
        key = keys.public_key_of(signer)
    except ValueError as error:
        yield _found("CRT-003", f"certificate's {error}", at)
        return
    if keys.is_too_short(key):
        message = f"key is too short to be safe ({keys.key_text(key)})"
        yield _found("CRT-005", message, file.at(file.certificates[0].line))
    if signed.content is None:
        return
    if not keys.is_true(key, file.signature, signed.content, file.algorithm):
        who = keys.subject_of(signer)
        yield _found("CRT-003", f"signature is not that of {who} over the manifest", at)


def _vouched(
    file: CertificateFile,
    signer: x509.Certificate,
    others: tuple[x509.Certificate, ...],
    at: datetime,
) -> Iterator[Finding]:
    from ovf.signing import chain, keys

    place = file.at(file.certificates[0].line)
    for certificate in (signer, *others):
        why = chain.not_in_force(certificate, at)
        if why:
            message = f"certificate {why}: {keys.subject_of(certificate)}"
            yield _found("CRT-004", message, place)
    if why := chain.unmeant(signer):
        yield _found("CRT-004", f"key {why}", place)
    if chain.is_self_signed(signer):
        yield _found("CRT-004", "certificate is signed by itself: nobody vouches for it", place)
    way = chain.climbed(signer, others)
    for issuer in way[1:]:
        if not chain.is_issuer(issuer):
            message = f"issuer's certificate may not vouch for others: {keys.subject_of(issuer)}"
            yield _found("CRT-004", message, place)
    for certificate in others:
        if certificate not in way:
            message = f"certificate does not vouch for the signer's: {keys.subject_of(certificate)}"
            yield _found("CRT-004", message, place)


def _same_digest(signed: _Signed) -> Iterator[Finding]:
    manifest = signed.manifest()
    algorithms = {entry.algorithm for entry in manifest.entries} if manifest else set()
    if algorithms and algorithms != {signed.file.algorithm}:
        used = ", ".join(sorted(algorithms))
        message = f"signature is of {signed.file.algorithm}, the manifest of {used}"
        yield _found("CRT-005", message, signed.file.at())


def _edited(signed: _Signed) -> Iterator[Finding]:
    manifest, package = signed.manifest(), signed.package
    own = package.descriptor.name.rpartition("/")[2]
    for entry in manifest.entries if manifest else ():
        if entry.name.removeprefix("./") != own:
            continue
        digest = hashlib.new(entry.algorithm.lower(), usedforsecurity=False)
        digest.update(package.descriptor.content)
        if digest.hexdigest() != entry.digest:
            message = "descriptor was changed after the package was signed"
            yield _found("CRT-007", message, package.where(package.descriptor.name))


def _found(rule: str, message: str, at: Location | str) -> Finding:
    place = Location(at) if isinstance(at, str) else at
    return Finding(rule, SEVERITIES[rule], message, place)
