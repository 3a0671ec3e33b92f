"""Rules of the certificate: clause 5.1. What it says is read by ``ovf.signing.signature``."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.judging.rule import Basis, Needs, rule
from ovf.package import Package
from ovf.signing.signature import examine, is_signed
from rehost.report import Location, Severity

Found = Iterator[tuple[Location, str]]


def _examined(package: Package, identifier: str) -> Found:
    examination = package.once(examine) if is_signed(package) else None
    for finding in examination.findings if examination else ():
        if finding.rule == identifier:
            yield finding.location, finding.message


@rule("CRT-001", clause="5.1", needs=Needs.FILES)
def signature_of_the_manifest(package: Package) -> Found:
    """A certificate file begins with a signature of the manifest: ``SHA256(name.mf)= hexadecimal``.

    Importers take a package whose signature they cannot read for a forged one, and refuse it.

    Fix: sign the package again, as `rehost ovf sign` does.
    """
    yield from _examined(package, "CRT-001")


@rule("CRT-002", clause="5.1", needs=Needs.FILES)
def certificate_follows(package: Package) -> Found:
    """Behind the signature stands the X.509 certificate of whoever signed, in PEM.

    Without it nobody can tell whose signature it is.

    Fix: sign the package again, with the certificate.
    """
    yield from _examined(package, "CRT-002")


@rule("CRT-003", clause="5.1", needs=Needs.FILES)
def signature_is_true(package: Package) -> Found:
    """The signature is that of the certificate's key over the manifest as it is stored.

    One that is not means that the manifest was changed after it was signed, or signed by another.

    Fix: fetch the package again; if the manifest was changed on purpose, sign it again.
    """
    yield from _examined(package, "CRT-003")


@rule("CRT-004", clause="5.1", severity=Severity.WARNING, needs=Needs.FILES)
def certificate_vouches(package: Package) -> Found:
    """The certificate is in force, meant for signatures, and issued by somebody else.

    An importer that checks certificates warns of such a package, or refuses it.

    Fix: sign the package with a certificate of an authority that the importer trusts.
    """
    yield from _examined(package, "CRT-004")


@rule("CRT-005", clause="5.1", severity=Severity.WARNING, needs=Needs.FILES, basis=Basis.OWN)
def digest_and_key_are_usual(package: Package) -> Found:
    """Manifest and signature use the same digest, and the key is not too short.

    Old versions of ovftool and ESXi read one digest for both; short keys can be forged.

    Fix: sign with the manifest's digest and with a key of 2048 bits or more (ECDSA: 224).
    """
    yield from _examined(package, "CRT-005")


@rule("CRT-006", clause="5.1", severity=Severity.INFO, needs=Needs.FILES, basis=Basis.OWN)
def nothing_but_a_certificate(package: Package) -> Found:
    """A certificate file holds one signature and one certificate, nothing else.

    What else is there, intermediate certificates or the CMS signature of VirtualBox, most readers
    pass over.

    Fix: leave it out where the importer refuses the package.
    """
    yield from _examined(package, "CRT-006")


@rule("CRT-007", clause="5.1", severity=Severity.WARNING, needs=Needs.FILES, basis=Basis.OWN)
def not_edited_after_signing(package: Package) -> Found:
    """The descriptor of a signed package is the one that was signed.

    Editing it breaks its digest in the manifest; with a new manifest the signature is broken, too.

    Fix: write the manifest again, then sign it again, or remove the certificate.
    """
    yield from _examined(package, "CRT-007")
