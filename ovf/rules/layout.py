"""Rules of the package as a whole: clauses 5.1 to 5.4."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.package import Package, is_remote
from ovf.rule import EVERY_DIALECT, Needs, rule
from rehost.archive import Dialect, is_apple_double
from rehost.errors import InteropError
from rehost.files import Inflated
from rehost.report import Location, Severity

LARGEST_USTAR = 8 << 30
Found = Iterator[tuple[Location, str]]


def _whole(package: Package) -> Location:
    return Location(str(package.path))


@rule("PKG-003", clause="5.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def names_of_one_base(package: Package) -> Found:
    """Manifest and certificate have the descriptor's base name.

    Importers look for them under that name only, and take a package without them for unsigned.

    Fix: rename the file to the descriptor's name with .mf or .cert.
    """
    base = package.descriptor.name.rpartition(".")[0]
    for name in (*package.manifest_names, package.certificate_name):
        if name is not None and name.rpartition(".")[0] != base.rpartition("/")[2]:
            yield Location(package.where(name)), f"is not named after {package.descriptor.name!r}"


@rule("PKG-005", clause="5.1", severity=Severity.INFO, needs=Needs.FILES, versions=EVERY_DIALECT)
def nothing_but_the_package(package: Package) -> Found:
    """An OVA holds the descriptor, manifest, certificate and referenced files, nothing else.

    Other files travel for nothing: no importer looks at them.

    Fix: leave the file out, or refer to it from the References.
    """
    if package.archive is None:
        return
    expected = set(_expected_order(package))
    for member in package.archive.members:
        if member.name not in expected and not is_apple_double(member.name):
            yield Location(package.archive.where(member.name)), "is referred to by nothing"


@rule("PKG-010", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def archive_suffix(package: Package) -> Found:
    """A package in one file has the extension .ova.

    Importers choose what to do by the extension.

    Fix: rename it.
    """
    if package.archive is not None and package.path.suffix != ".ova":
        yield _whole(package), f"archive is not named .ova ({package.path.suffix!r})"


@rule("PKG-011", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def ustar(package: Package) -> Found:
    """An OVA is a tar in USTAR format.

    VMware's ovftool and oVirt refuse archives with PAX headers. Members of 8 GiB and more cannot
    be written as USTAR; GNU headers for them are passed over.

    Fix: pack it again with `tar --format=ustar`.
    """
    if package.archive is None:
        return
    for member in package.archive.members:
        if member.dialect is not Dialect.USTAR and member.size < LARGEST_USTAR:
            yield (
                Location(package.archive.where(member.name)),
                f"header is {member.dialect}, not USTAR",
            )


@rule("PKG-012", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def descriptor_first(package: Package) -> Found:
    """The descriptor is the first member of an OVA.

    Importers that stream the archive need it before the disks, and give up without it.

    Fix: pack the archive again, descriptor first.
    """
    if package.archive and package.archive.members[0].name != package.descriptor.name:
        first = package.archive.members[0].name
        yield _whole(package), f"first member is {first!r}, not the descriptor"


@rule("PKG-013", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def order_of_members(package: Package) -> Found:
    """Members stand in order: descriptor, manifest, certificate, then the References' files.

    Manifest and certificate may also come last. Importers that stream cannot go back.

    Fix: pack the archive again in that order.
    """
    if package.archive is None:
        return
    expected = _expected_order(package)
    signs = {package.beside(name) for name in _signs(package)}
    found = [member.name for member in package.archive.members if member.name in set(expected)]
    late = [name for name in expected if name not in signs]
    late += [name for name in expected if name in signs]
    if found[:1] == expected[:1] and found not in (expected, late):
        for is_so, should in zip(found, expected, strict=False):
            if is_so != should:
                message = f"stands where {should!r} should be"
                yield Location(package.archive.where(is_so)), message
                return


@rule("PKG-018", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def certificate_needs_manifest(package: Package) -> Found:
    """A package with a certificate has a manifest.

    The certificate signs the manifest; alone it proves nothing, and VirtualBox refuses it.

    Fix: add the manifest that was signed, or remove the certificate.
    """
    if package.certificate_name is not None and not package.manifest_names:
        yield Location(package.where(package.certificate_name)), "signs a manifest that is missing"


@rule("PKG-020", clause="5.3", severity=Severity.WARNING, needs=Needs.FILES, versions=EVERY_DIALECT)
def end_of_archive(package: Package) -> Found:
    """A tar ends in blocks of zeros.

    Without them nobody can tell whether it is complete.

    Fix: pack it again.
    """
    if package.archive is not None and not package.archive.ended:
        yield _whole(package), "archive has no end mark"


@rule("PKG-021", clause="5.3", severity=Severity.WARNING, needs=Needs.FILES, versions=EVERY_DIALECT)
def not_compressed(package: Package) -> Found:
    """An OVA is not compressed as a whole.

    Few importers unpack it; the disks in it are compressed already.

    Fix: unpack it with gunzip.
    """
    if package.archive is not None and isinstance(package.archive.file, Inflated):
        yield _whole(package), "archive is compressed with gzip"


def _expected_order(package: Package) -> list[str]:
    """Return the members there should be, as far as they are there."""
    names = _signs(package)
    for reference in package.written.references:
        if is_remote(reference):
            continue
        try:
            names += package.stored_names(reference)
        except InteropError:
            continue
    return list(dict.fromkeys((package.descriptor.name, *map(package.beside, names))))


def _signs(package: Package) -> list[str]:
    certificate = package.certificate_name
    return [*package.manifest_names, *([certificate] if certificate is not None else [])]
