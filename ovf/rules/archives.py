"""Rules of the package as a single file: clause 5.3."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.judging.rule import EVERY_DIALECT, Basis, Needs, rule
from ovf.package import Package, is_remote, leads_out, name_of
from rehost.archive import BLOCK, Archive, Dialect
from rehost.files import Inflated
from rehost.report import Location, Severity
from rehost.tar import fits_ustar
from rehost.tracked import summary

TAIL = 1 << 20
MOST_SIGNS = 2
"""A manifest and a certificate; of more PKG-002 tells, for which there is no order."""
Found = Iterator[tuple[Location, str]]


def _whole(package: Package) -> Location:
    return Location(str(package.path))


@rule("PKG-010", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def archive_suffix(package: Package) -> Found:
    """A package in one file has the extension .ova.

    Importers choose what to do by the extension.

    Fix: let its name end in .ova.
    """
    if package.archive is not None and package.path.suffix != ".ova":
        yield _whole(package), f"archive is not named .ova ({package.path.suffix!r})"


@rule("PKG-011", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def ustar(package: Package) -> Found:
    """An OVA is a tar in USTAR format.

    VMware, oVirt and VirtualBox refuse archives with PAX headers. Members of 8 GiB and more cannot
    be written as USTAR; PKG-023 tells of these.

    Fix: pack it again with `rehost ovf pack`, or `tar --format=ustar`.
    """
    if package.archive is None:
        return
    for member in package.archive.members:
        if member.dialect is not Dialect.USTAR and fits_ustar(member.size):
            where = Location(package.archive.where(member.name))
            yield where, f"header is {member.dialect}, not USTAR"


@rule("PKG-012", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def descriptor_first(package: Package) -> Found:
    """The descriptor is the first member of an OVA.

    Importers that stream the archive need it before the disks, and give up without it.

    Fix: pack the archive again with `rehost ovf pack`, or the descriptor first.
    """
    if package.archive and package.archive.members[0].name != package.descriptor.name:
        first = package.archive.members[0].name
        yield _whole(package), f"first member is {first!r}, not the descriptor"


@rule("PKG-013", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def order_of_members(package: Package) -> Found:
    """Members stand in order: descriptor, manifest, certificate, then the References' files.

    Manifest and certificate may also come last. Importers that stream cannot go back.

    Fix: pack the archive again with `rehost ovf pack`, which keeps this order.
    """
    signs = package.signs()
    if package.archive is None or len(signs) > MOST_SIGNS:
        return
    descriptor, *rest = package.expected_members()
    files = rest[len(signs) :]
    orders = [
        [descriptor, *signs[:early], *files, *signs[early:]] for early in range(len(signs), -1, -1)
    ]
    orders += [[descriptor, *signs[1:], *files, *signs[:1]]]
    known = {descriptor, *rest}
    found = [member.name for member in package.archive.members if member.name in known]
    if found[:1] != [descriptor] or found in orders:
        return
    late = found[-1] in signs
    for is_so, should in zip(found, orders[len(signs) if late else 0], strict=False):
        if is_so != should:
            yield Location(package.archive.where(is_so)), f"stands where {should!r} should be"
            return


@rule("PKG-014", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def signs_stand_together(package: Package) -> Found:
    """Manifest and certificate stand together, behind the descriptor or at the end.

    An importer that found the one begins to verify, and misses the other.

    Fix: pack the archive again with `rehost ovf pack`, or both behind the descriptor.
    """
    signs = package.signs()
    if package.archive is None or len(signs) != 2:
        return
    names = [member.name for member in package.archive.members]
    first, second = sorted(names.index(name) for name in signs)
    if second != first + 1:
        yield Location(package.archive.where(names[second])), f"stands apart from {names[first]!r}"


@rule("PKG-015", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def members_are_there_once(package: Package) -> Found:
    """No member of an OVA is there twice.

    Who streams the archive gets the first of two, who unpacks it the last. Converting refuses it.

    Fix: pack the archive again; do not append to it.
    """
    for error in package.archive.repeated if package.archive is not None else ():
        yield Location.named(error.where), error.what


@rule("PKG-016", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def archive_is_complete(package: Package) -> Found:
    """In an OVA every ovf:href is relative.

    An importer without access to that server cannot import it.

    Fix: pack the file into the OVA.
    """
    for file in package.written.references:
        if package.archive is not None and is_remote(file):
            yield file.at, f"ovf:href is not relative ({summary(file.href or '')!r})"


@rule("PKG-017", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def inside_the_archive(package: Package) -> Found:
    """In an OVA no ovf:href has ``..`` segments, begins at the root or is a file URL.

    A package that names other files of the computer it is imported on is an attack.

    Fix: pack the file into the OVA and name it there; if it is not yours, do not import it.
    """
    for file in package.written.references if package.archive is not None else ():
        if leads_out(file):
            yield file.at, f"ovf:href leads out of the archive ({summary(name_of(file))!r})"


@rule("PKG-018", clause="5.3", needs=Needs.FILES, versions=EVERY_DIALECT)
def certificate_needs_manifest(package: Package) -> Found:
    """A package with a certificate has a manifest.

    The certificate signs the manifest; alone it proves nothing, and VirtualBox refuses it.

    Fix: add the manifest that was signed, or remove the certificate.
    """
    if package.certificate_name is not None and not package.manifest_names:
        yield Location(package.where(package.certificate_name)), "signs a manifest that is missing"


@rule("PKG-019", clause="5.3", needs=Needs.FILES, basis=Basis.OWN, versions=EVERY_DIALECT)
def members_are_files(package: Package) -> Found:
    """Members of an OVA are plain files below its own root: no links, devices or paths upward.

    Unpacking them writes to, or reads from, other places of the importer's computer. Converting
    refuses the archive.

    Fix: pack plain files only; if the archive is not yours, do not unpack it anywhere.
    """
    for error in package.archive.unsafe if package.archive is not None else ():
        yield Location.named(error.where), error.what


@rule(
    "PKG-020",
    clause="5.3",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def end_of_archive(package: Package) -> Found:
    """A tar ends in two blocks of zeros, with nothing but zeros behind them.

    Without them nobody can tell whether it is complete, and readers stumble over what follows.

    Fix: pack it again with `rehost ovf pack`.
    """
    if package.archive is not None and (wrong := _wrong_end(package.archive)):
        yield _whole(package), wrong


def _wrong_end(archive: Archive) -> str:
    """Say what is wrong with the end of an archive; of what follows, the first MiB is read."""
    if archive.end is None:
        return "archive has no end mark"
    tail = archive.file.pread(archive.end, TAIL)
    if tail.strip(b"\0"):
        return "archive has data behind its end mark"
    if len(tail) < 2 * BLOCK:
        return "archive ends in one block of zeros, not two"
    return "archive is no whole number of blocks" if len(tail) % BLOCK else ""


@rule(
    "PKG-021",
    clause="5.3",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def not_compressed(package: Package) -> Found:
    """An OVA is not compressed as a whole.

    Few importers unpack it; the disks in it are compressed already.

    Fix: unpack it with gunzip.
    """
    if package.archive is not None and isinstance(package.archive.file, Inflated):
        yield _whole(package), "archive is compressed with gzip"


@rule(
    "PKG-023",
    clause="5.3",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def too_large_for_ustar(package: Package) -> Found:
    """No member of an OVA has 8 GiB or more, which USTAR cannot write.

    Its header is GNU's then, which VirtualBox and VMware read, or PAX's, which they do not.

    Fix: compress the disk, split it by ovf:chunkSize, or ship the package as a set of files.
    """
    for member in package.archive.members if package.archive is not None else ():
        if not fits_ustar(member.size):
            where = Location(package.where(member.name))
            yield where, f"has {member.size} bytes, too many for USTAR ({member.dialect} header)"
