"""What is done with an input that is a part of an OVF package, and what there is to begin with."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from ovf import units
from ovf.environment.values import check_value
from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.package import Descriptor, Package
from ovf.signing import chain, cms, keys
from ovf.signing.verify import verify
from rehost.console.output import printable
from rehost.files import File
from tests.fuzz.attempts import refusal
from tests.ovf.builders import FIXTURES, SCSI, descriptor, item, signed_off, with_disk
from tests.ovf.signing.signers import authority, cert, cms_block, signer
from tests.support.models import Memory

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNED = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": b"disk"})
MANIFEST = SIGNED["web.mf"]
WITH_BUNDLE = (
    descriptor(references='<File ovf:id="de" ovf:href="de.xml"/>', sections="")
    .replace("<Info/>", '<Info ovf:msgid="info">a</Info>', 1)
    .replace("</Envelope>", '<Strings xml:lang="de" ovf:fileRef="de"/></Envelope>')
    .encode()
)
BUNDLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<Strings xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xml:lang="de">
  <Msg ovf:msgid="info">ein</Msg>
  <Msg ovf:msgid="other">zwei</Msg>
</Strings>
"""
LARGEST_FIXTURE = 6000
FEW = 12


class InMemory:
    """The files of a package in memory."""

    archive = None

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def names(self) -> tuple[str, ...]:
        """Return their names."""
        return tuple(self._files)

    def find(self, name: str, by: str) -> File | None:
        """Return one by its very name."""
        del by
        return Memory(self._files[name], name) if name in self._files else None

    def where(self, name: str) -> str:
        """Return the name."""
        return name

    def twin(self) -> InMemory:
        """Return itself: nothing in it moves."""
        return self


def _package(files: dict[str, bytes]) -> Package:
    descriptor = Descriptor("web.ovf", files["web.ovf"])
    return Package(Path("web.ovf"), InMemory(files), descriptor)


def _judged(package: Package, *, descriptor_only: bool = False) -> None:
    with refusal():
        for finding in validate(package, descriptor_only=descriptor_only):
            printable(f"{finding.location}: {finding.message} {finding.hint}").encode()


def machines(content: bytes) -> None:
    """Judge a descriptor, and read its machines."""
    package = _package({**SIGNED, "web.ovf": content})
    _judged(package, descriptor_only=True)
    with refusal():
        read_machines(package)


def manifest(content: bytes) -> None:
    """Judge a package by its manifest, and hash what that lists."""
    _judged(_package({**SIGNED, "web.mf": content}))


def certificate(content: bytes) -> None:
    """Judge a package by its certificate file, and verify it."""
    package = _package({**SIGNED, "web.cert": content})
    _judged(package)
    with refusal():
        verify(package, [authority().certificate], NOW)


def encoded(content: bytes) -> None:
    """Take the input for a certificate, and for a CMS signature."""
    cms.check(content, MANIFEST, (signer().certificate,))
    try:
        found = keys.parsed(content)
    except ValueError:
        return
    _ = keys.subject_of(found), keys.issuer_of(found), chain.may_sign(found), chain.uses(found)
    chain.judged(found, (found, authority().certificate), [authority().certificate], NOW)


def bundle(content: bytes) -> None:
    """Judge a package that has a string bundle in a file of its own."""
    _judged(_package({"web.ovf": WITH_BUNDLE, "de.xml": content}), descriptor_only=False)


def property_value(content: bytes) -> None:
    """Check a value by a type and qualifiers."""
    kind, said, value = [*content.decode(errors="replace").split("\n", 2), "", ""][:3]
    wrong = check_value(value, kind, said)
    assert value or wrong is None
    printable(wrong or "").encode()


def unit(content: bytes) -> None:
    """Read programmatic units."""
    with refusal():
        units.parse(content.decode(errors="replace"))
    with refusal():
        units.multiplier(content.decode(errors="replace"))


def descriptors(folder: Path) -> list[bytes]:
    """Return small descriptors: broken ones, and in other encodings."""
    del folder
    found = sorted(FIXTURES.glob("rules/*/bad.ovf"))
    small = [path.read_bytes() for path in found if path.stat().st_size < LARGEST_FIXTURE]
    plain = descriptor(SCSI, item(InstanceID=1, ResourceType=10, AllocationUnits="byte * 2^20"))
    other = plain.replace("UTF-8", "UTF-16").encode("utf-16")
    entity = plain.replace("<Envelope", '<!DOCTYPE x [<!ENTITY e "e">]>\n<Envelope', 1).encode()
    return [with_disk().encode(), other, entity, *Random(1).sample(small, min(FEW, len(small)))]


def manifests(folder: Path) -> list[bytes]:
    """Return a manifest as it should be, and one with every oddity."""
    del folder
    odd = b"\xef\xbb\xbf\r\nsha2-256 (./disk.vmdk) = " + b"A1" * 32 + b"\r\nSHA1(x)= " + b"a1" * 20
    return [MANIFEST, odd]


def certificates(folder: Path) -> list[bytes]:
    """Return certificate files: as the standard has them, and as VirtualBox does."""
    who = signer("Signer", by=authority())
    return [cert(MANIFEST, who), cert(MANIFEST, who, more=cms_block(folder, MANIFEST, who))]


def all_encoded(folder: Path) -> list[bytes]:
    """Return certificates and CMS signatures in DER."""
    who = signer("Signer", by=authority())
    pems = [cms_block(folder, MANIFEST, who), cms_block(folder, MANIFEST, who, "-noattr")]
    return [_der(each) for each in (*pems, keys.pem(who.certificate))]


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.strip().splitlines()[1:-1]))
