"""Fixes of the References: clause 7.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from lxml import etree

from ovf.edit.draft import Draft
from ovf.edit.files import listed, take_out
from ovf.envelope import Reference
from ovf.mending.fix import Done, fix
from ovf.package import is_remote, name_of
from ovf.searching import files_in_use
from rehost.errors import InteropError
from rehost.files import GZIP_MAGIC
from rehost.tracked import summary

UNTOUCHED = "/!$&'()*+,;=:@~%"
"""What a relative URL holds besides letters and digits."""
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
BARE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@fix("REF-003")
def locations_encoded(draft: Draft) -> Done:
    """Percent-encode what is no URL; one with escapes already could mean two names, and stays."""
    for element, reference in listed(draft):
        href = reference.href or ""
        name = name_of(reference)
        right = quote(BARE.sub("%25", href.strip()), safe=UNTOUCHED)
        if is_remote(reference) or ESCAPE.search(href) or right == href or not name:
            continue
        draft.set(element, "href", right)
        yield element, f"ovf:href: {summary(href)} -> {summary(right)}"


def _sizes_from_the_files(draft: Draft) -> Done:
    """State the size that the file has."""
    for element, reference, size in _sized(draft):
        if reference.size is not None and reference.size.strip() != size:
            draft.set(element, "size", size)
            yield element, f"ovf:size: {summary(reference.size)} -> {size}"


sizes_corrected = fix("REF-006")(_sizes_from_the_files)
sizes_in_digits = fix("REF-016")(_sizes_from_the_files)


@fix("REF-010")
def whole_files_told(draft: Draft) -> Done:
    """Leave ovf:chunkSize out where a file is in one piece."""
    package = draft.result()
    for element, reference in listed(draft):
        if not reference.chunk_size or is_remote(reference):
            continue
        name = name_of(reference)
        try:
            stored = package.stored_names(reference)
        except InteropError:
            continue
        if stored == (name,):
            draft.set(element, "chunkSize", None)
            yield element, f"{summary(name)} has no ovf:chunkSize now, for it is in one piece"


@fix("REF-007")
def sizes_stated(draft: Draft) -> Done:
    """State the size that the file has where none is stated."""
    for element, reference, size in _sized(draft):
        if reference.size is None:
            draft.set(element, "size", size)
            yield element, f"{summary(name_of(reference))} has an ovf:size now ({size})"


def _sized(draft: Draft) -> Iterator[tuple[etree._Element, Reference, str]]:
    """Yield the files that are stored, or will be, each with the size it has there."""
    package = draft.result()
    for element, reference in listed(draft):
        if is_remote(reference):
            continue
        try:
            names = package.stored_names(reference)
            size = sum(package.member(name).size for name in names)
        except InteropError:
            continue
        yield element, reference, str(size)


@fix("REF-008")
def compression_told(draft: Draft) -> Done:
    """Say whether the file is compressed, as its first bytes do."""
    package = draft.result()
    for element, reference in listed(draft):
        if is_remote(reference):
            continue
        try:
            start = package.stored_file(reference).pread(0, len(GZIP_MAGIC))
        except InteropError:
            continue
        said = reference.compression
        if said.strip().lower() == "gzip" != said and start == GZIP_MAGIC:
            draft.set(element, "compression", "gzip")
            yield element, f"ovf:compression: {summary(said)} -> gzip"
        elif said == "gzip" and start != GZIP_MAGIC:
            draft.set(element, "compression", None)
            yield element, "ovf:compression: gzip -> none, for the file is not compressed"
        elif said in {"", "identity"} and start == GZIP_MAGIC and not _is_gzip(reference):
            draft.set(element, "compression", "gzip")
            yield element, "ovf:compression: none -> gzip, for the file is compressed"


def _is_gzip(reference: Reference) -> bool:
    """Say whether a file is meant to be one that is compressed, such as a .tar.gz."""
    return name_of(reference).endswith(".gz")


@fix("REF-009")
def empty_compression_left_out(draft: Draft) -> Done:
    """Remove the attribute that says nothing."""
    for element, _ in listed(draft):
        said = draft.envelope.attribute(element, "compression")
        if said is not None and not said.strip():
            draft.set(element, "compression", None)
            yield element, "an empty ovf:compression is left out"


@fix("REF-014")
def unused_files_left_out(draft: Draft) -> Done:
    """Leave out what nothing refers to, the file too; the source of the mending keeps it.

    What holds elements stays: somebody may have put there what belongs elsewhere.
    """
    used = files_in_use(draft.envelope.root)
    for element, reference in listed(draft):
        if not len(element) and reference.id and reference.id not in used:
            if _is_stored(draft, reference):
                take_out(draft, element, reference)
            else:
                draft.text.remove(element)
            yield element, f"File '{summary(reference.id)}' is left out, for nothing refers to it"


def _is_stored(draft: Draft, reference: Reference) -> bool:
    try:
        return draft.package is not None and bool(draft.package.stored_names(reference))
    except InteropError:
        return False
