"""Rules of the manifest: clause 5.1. What it says is read once by ``ovf.manifest``."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.judging.rule import EVERY_DIALECT, VERSION_1, VERSION_2, Basis, Needs, rule
from ovf.manifest import (
    ALGORITHMS,
    Entry,
    coverage,
    is_there,
    judged_manifest,
    readable_manifest,
    unequal,
)
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.report import Finding, Location, Severity

Found = Iterator[tuple[Location, str]]


def _written(package: Package, identifier: str) -> Found:
    manifest = package.once(readable_manifest)
    for finding in manifest.findings if manifest else ():
        if finding.rule == identifier:
            yield finding.location, finding.message


def _listed(package: Package, identifier: str) -> Found:
    for finding in package.once(_coverage):
        if finding.rule == identifier:
            yield finding.location, finding.message


def _coverage(package: Package) -> list[Finding]:
    manifest = package.once(readable_manifest)
    return coverage(package, manifest) if manifest else []


@rule("MAN-001", clause="5.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def lines_can_be_read(package: Package) -> Found:
    """Every line of a manifest is a digest: ``SHA256(name)= hexadecimal``.

    A line nobody can read protects nothing, and importers refuse the whole package.

    Fix: write the manifest again, as `rehost ovf pack --digest sha256` does.
    """
    try:
        package.once(judged_manifest)
    except DamagedInputError as error:
        yield Location.named(error.where), error.what
    yield from _written(package, "MAN-001")


@rule(
    "MAN-002",
    clause="5.1",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.UNCONFIRMED,
    versions=VERSION_2,
)
def digests_of_version_2(package: Package) -> Found:
    """The digests of an OVF 2 package are SHA256, not SHA1.

    SHA1 can be forged; OVF 2 tolerates it for packages that are older.

    Fix: write the manifest again with SHA256.
    """
    for entry in _first_of(package, frozenset(("SHA1",))):
        yield entry.at, "digests are SHA1, not SHA256"


@rule("MAN-003", clause="5.1", severity=Severity.INFO, needs=Needs.FILES, versions=VERSION_1)
def digests_of_version_1(package: Package) -> Found:
    """The digests of an OVF 1 package are SHA1, which is all its grammar knows.

    What is still maintained reads SHA256, and ovftool writes it since 4.2. ESXi and vCenter before
    6.5, PowerCLI before 10.1 and Workstation 12 refuse it.

    Fix: leave it so, unless so old an importer is to read the package (`--digest sha1`).
    """
    for entry in _first_of(package, frozenset(ALGORITHMS) - {"SHA1"}):
        yield entry.at, f"digests are {entry.algorithm}, which OVF 1 does not know"


def _first_of(package: Package, algorithms: frozenset[str]) -> list[Entry]:
    """Return the first line with a digest of these algorithms, where there is one."""
    manifest = package.once(readable_manifest)
    entries = manifest.entries if manifest else ()
    return [entry for entry in entries if entry.algorithm in algorithms][:1]


@rule("MAN-004", clause="5.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def digests_agree(package: Package) -> Found:
    """A file's digest is the one the manifest says, over the file as it is stored.

    A digest that differs means that the file was damaged or changed.

    Fix: fetch the package again; if the file was changed on purpose, write the manifest again.
    """
    for error in package.once(unequal):
        yield Location.named(error.where), error.what


@rule("MAN-005", clause="5.1", needs=Needs.FILES, basis=Basis.CODE, versions=EVERY_DIALECT)
def references_are_listed(package: Package) -> Found:
    """The manifest lists every referenced file, each chunk by itself.

    A file that is not listed can be exchanged unnoticed.

    Fix: write the manifest again, as `rehost ovf pack --digest sha256` does.
    """
    yield from _listed(package, "MAN-005")


@rule(
    "MAN-006",
    clause="5.1",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.CODE,
    versions=EVERY_DIALECT,
)
def everything_is_listed(package: Package) -> Found:
    """The manifest lists the descriptor, and no file of an OVA is left unlisted.

    Some versions of vCenter and ESXi refuse a manifest without the descriptor.

    Fix: write the manifest again, as `rehost ovf pack --digest sha256` does.
    """
    yield from _listed(package, "MAN-006")


@rule("MAN-007", clause="5.1", severity=Severity.WARNING, needs=Needs.FILES, versions=EVERY_DIALECT)
def lower_case(package: Package) -> Found:
    """Digests are in lower case.

    The grammar is case-sensitive, though most readers are not.

    Fix: write the digest in lower case.
    """
    yield from _written(package, "MAN-007")


@rule("MAN-008", clause="5.1", severity=Severity.WARNING, needs=Needs.FILES, versions=EVERY_DIALECT)
def white_space(package: Package) -> Found:
    """A line has one space, after the equals sign.

    VMware takes ``SHA256 (name)`` for an algorithm whose name ends in a space, and refuses it.

    Fix: write it as 'SHA256(name)= digest'.
    """
    yield from _written(package, "MAN-008")


@rule(
    "MAN-009",
    clause="5.1",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def algorithm_names(package: Package) -> Found:
    """Algorithms are spelled SHA1, SHA256, SHA384 or SHA512.

    Importers compare the word, so SHA2-256 is unknown to them.

    Fix: write SHA1, SHA256, SHA384 or SHA512.
    """
    yield from _written(package, "MAN-009")


@rule("MAN-010", clause="5.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def line_ends(package: Package) -> Found:
    """Lines end in LF, none is blank, and no byte order mark comes first.

    Strict readers take the extra characters for part of a digest.

    Fix: save the manifest with Unix line ends.
    """
    yield from _written(package, "MAN-010")


@rule(
    "MAN-011",
    clause="5.1",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def listed_once(package: Package) -> Found:
    """No file is listed twice.

    Which of two lines counts is up to the reader.

    Fix: keep one line for each file.
    """
    yield from _listed(package, "MAN-011")


@rule(
    "MAN-012",
    clause="5.1",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def does_not_list_itself(package: Package) -> Found:
    """The manifest lists neither itself nor the certificate.

    Its own digest cannot be in it.

    Fix: remove the line.
    """
    yield from _listed(package, "MAN-012")


@rule("MAN-013", clause="5.1", needs=Needs.FILES, basis=Basis.CODE, versions=EVERY_DIALECT)
def listed_files_exist(package: Package) -> Found:
    """Every file the manifest lists is in the package.

    A file that went missing is damage a digest should have shown. Names are written as the files
    have them: percent-encoded they are of ovf:href only, and other names here.

    Fix: add the file, or write the manifest again.
    """
    yield from _listed(package, "MAN-013")


@rule(
    "MAN-014",
    clause="5.1",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.CODE,
    versions=EVERY_DIALECT,
)
def listed_files_are_referenced(package: Package) -> Found:
    """The manifest lists no files but the descriptor and those the References name.

    Importers that take only referenced files look for the others in vain.

    Fix: refer to the file from the References, or remove the line.
    """
    manifest = package.once(readable_manifest)
    known = set(package.expected_members())
    for entry in manifest.entries if manifest else ():
        name = package.member_name(entry.name)
        if name not in known and is_there(package, entry):
            yield entry.at, f"manifest lists a file that nothing refers to ({entry.name!r})"
