"""Packages whose files break a rule of clauses 5.1 to 5.3, 7.1 and 11.2, and what is found."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from tests.ovf.builders import manifest, pack, with_disk
from tests.ovf.environment.media import medium
from tests.ovf.judging.breaking import (
    DESCRIPTOR,
    DISK,
    SHA1,
    SIGNED,
    WHOLE,
    Build,
    archive,
    listing,
    ova,
)

VERSION_2 = DESCRIPTOR.replace(b"ovf/envelope/1", b"ovf/envelope/2")
CONTENT = sum(512 + -(-len(content) // 512) * 512 for content in WHOLE.values())
"""Where the end mark of an archive of these begins."""
MF, CERT = {"web.mf": b""}, {"web.cert": b""}


def with_members(*extra: tuple[str, bytes]) -> Build:
    """Return a builder of an archive to which members of these names and kinds are added."""

    def build(folder: Path) -> Path:
        path = pack(folder / "x.ova", WHOLE)
        with tarfile.open(path, "a", format=tarfile.USTAR_FORMAT) as opened:
            for name, kind in extra:
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, "/etc/passwd"
                opened.addfile(member, io.BytesIO())
        return path

    return build


def beside(**files: bytes) -> Build:
    """Return a builder of a folder with a descriptor and files of these names."""

    def build(folder: Path) -> Path:
        for name, content in {"web__ovf": DESCRIPTOR, **files}.items():
            (folder / name.replace("__", ".")).write_bytes(content)
        return folder / "web.ovf"

    return build


def ending(tail: bytes) -> Build:
    """Return a builder of an archive that ends otherwise."""

    def build(folder: Path) -> Path:
        path = pack(folder / "x.ova", WHOLE)
        path.write_bytes(path.read_bytes()[:CONTENT] + tail)
        return path

    return build


def huge(folder: Path) -> Path:
    path = pack(folder / "x.ova", {"web.ovf": DESCRIPTOR})
    member = tarfile.TarInfo("disk.vmdk")
    member.size = 8 << 30
    start = path.read_bytes()[: CONTENT - 512 - -(-len(DISK) // 512) * 512]
    start += member.tobuf(tarfile.GNU_FORMAT)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + member.size + 1024)
    return path


def in_chunks(*chunks: str) -> Build:
    """Return a builder of an archive with a disk in files of these names."""
    text = with_disk("disk.vmdk", 'ovf:chunkSize="10"').encode()
    return archive({"web.ovf": text, **{f"disk.vmdk{name}": bytes(10) for name in chunks}})


def compressed_chunks(*chunks: bytes) -> Build:
    """Return a builder of an archive with a compressed disk in chunks of this content."""
    text = with_disk("disk.vmdk", f'ovf:chunkSize="{len(chunks[0])}" ovf:compression="gzip"')
    named = {f"disk.vmdk.{n:09}": content for n, content in enumerate(chunks)}
    return archive({"web.ovf": text.encode(), **named})


PACKED = gzip.compress(DISK)
CASES: dict[str, list[tuple[Build, str]]] = {
    "PKG-001": [
        (
            archive({"web.ovf": DESCRIPTOR, "two.ovf": b"", "sub/three.OVF": b""}),
            "x.ova!two.ovf: error: is a descriptor beside 'web.ovf'\n"
            "x.ova!sub/three.OVF: error: is a descriptor beside 'web.ovf'",
        ),
        (
            archive({"web.OVF": DESCRIPTOR}),
            "x.ova!web.OVF: error: descriptor is not named .ovf ('.OVF')",
        ),
    ],
    "PKG-002": [
        (
            archive({**WHOLE, "old.mf": b"", **MF, **CERT, "old.cert": b""}),
            "x.ova!old.mf: error: is a manifest beside 'web.mf'\n"
            "x.ova!old.cert: error: is a certificate beside 'web.cert'",
        )
    ],
    "PKG-003": [
        (
            archive({"web.ovf": DESCRIPTOR, "other.mf": b"", "disk.vmdk": DISK}),
            "x.ova!other.mf: error: is not named after 'web.ovf'",
        ),
        (
            beside(Web__mf=b"", Web__cert=b""),
            "Web.mf: error: is not named after 'web.ovf'\n"
            "Web.cert: error: is not named after 'web.ovf'",
        ),
        (beside(two__ovf=b"", two__mf=b""), ""),
    ],
    "PKG-004": [
        (
            archive({"web.ovf": VERSION_2, "META/web.mf": b"", "META/web.cert": b""}),
            "x.ova!META/web.mf: warning: lies in another folder than the descriptor\n"
            "x.ova!META/web.cert: warning: lies in another folder than the descriptor",
        ),
        (archive({"web.ovf": DESCRIPTOR, "META/web.mf": b""}), ""),
    ],
    "PKG-005": [
        (ova(readme=b"1"), "x.ova!readme: info: is referred to by nothing"),
        (archive({"web.ovf": with_disk("./d/./disk").encode(), "d/disk": DISK}), ""),
    ],
    "PKG-013": [
        (
            archive({"web.ovf": DESCRIPTOR, "disk.vmdk": DISK, **CERT, **MF}),
            "x.ova!web.cert: error: stands where 'web.mf' should be",
        ),
        (
            archive({"web.ovf": DESCRIPTOR, **CERT, **MF, "disk.vmdk": DISK}),
            "x.ova!web.cert: error: stands where 'web.mf' should be",
        ),
        (archive({**WHOLE, **MF, **CERT}), ""),
        (archive({"web.ovf": DESCRIPTOR, **MF, "disk.vmdk": DISK, **CERT}), ""),
    ],
    "PKG-014": [
        (
            archive({"web.ovf": DESCRIPTOR, **MF, "disk.vmdk": DISK, **CERT}),
            "x.ova!web.cert: error: stands apart from 'web.mf'",
        ),
        (
            archive({"web.ovf": DESCRIPTOR, **CERT, "disk.vmdk": DISK, **MF}),
            "x.ova!web.mf: error: stands apart from 'web.cert'",
        ),
    ],
    "PKG-015": [
        (
            with_members(("./disk.vmdk", b"0")),
            f"x.ova at {CONTENT}: error: holds the same name twice ('disk.vmdk')",
        )
    ],
    "PKG-017": [
        (
            archive({"web.ovf": with_disk("../disk.vmdk").encode()}),
            "x.ova!web.ovf:3: error: ovf:href leads out of the archive ('../disk.vmdk')",
        ),
        (
            archive({"web.ovf": with_disk("file:///disk.vmdk").encode()}),
            "x.ova!web.ovf:3: error: ovf:href leads out of the archive ('file:///disk.vmdk')",
        ),
        (beside(web__ovf=with_disk("../disk.vmdk").encode()), ""),
    ],
    "PKG-019": [
        (
            with_members(("link", b"2"), ("../up", b"0"), ("/root", b"0"), ("null", b"3")),
            f"x.ova at {CONTENT}: error: holds a symbolic link ('link')\n"
            f"x.ova at {CONTENT + 512}: error: holds a member that leads outside it ('../up')\n"
            f"x.ova at {CONTENT + 1024}: error: holds a member with an absolute name ('/root')\n"
            f"x.ova at {CONTENT + 1536}: error: holds a character device ('null')",
        )
    ],
    "PKG-020": [
        (ending(b""), "x.ova: warning: archive has no end mark"),
        (ending(bytes(512)), "x.ova: warning: archive ends in one block of zeros, not two"),
        (ending(bytes(1024 + 100)), "x.ova: warning: archive is no whole number of blocks"),
        (ending(bytes(1024) + b"more"), "x.ova: warning: archive has data behind its end mark"),
        (ending(bytes(1024)), ""),
    ],
    "PKG-023": [
        (
            huge,
            "x.ova!disk.vmdk: warning: has 8589934592 bytes, too many for USTAR (GNU header)",
        )
    ],
    "REF-010": [
        (
            in_chunks(""),
            "x.ova!web.ovf:3: error: ovf:chunkSize is given for a file in one piece ('disk.vmdk')",
        ),
        (
            in_chunks(".000000000", ".000000002", ".1"),
            "x.ova!web.ovf:3: error: chunk is out of the sequence ('disk.vmdk.000000002')\n"
            "x.ova!web.ovf:3: error: chunk is out of the sequence ('disk.vmdk.1')",
        ),
        (in_chunks(".000000000", ".000000001"), ""),
    ],
    "REF-012": [
        (
            compressed_chunks(PACKED, gzip.compress(b"1")),
            "x.ova!disk.vmdk.000000001: error: chunk is compressed by itself",
        ),
        (compressed_chunks(PACKED[:100], PACKED[100:]), ""),
        (compressed_chunks(PACKED[:1], b"\x1f\x8b\x08 else"), ""),
    ],
    "OEN-009": [
        (
            lambda folder: medium(folder / "env.iso", {"ovf-env.xml": b"<Environment/>"}),
            "env.iso: error: document is called 'OVF_ENV.XML', not 'ovf-env.xml'",
        )
    ],
    "MAN-002": [
        (
            ova(web__ovf=VERSION_2, web__mf=f"SHA1(web.ovf)= {SHA1}\n".encode() * 2),
            "x.ova!web.mf:1: warning: digests are SHA1, not SHA256",
        ),
        (ova(web__ovf=VERSION_2), ""),
    ],
    "MAN-003": [
        (
            archive(SIGNED),
            "x.ova!web.mf:1: info: digests are SHA256, which OVF 1 does not know",
        ),
        (listing(f"SHA1(web.ovf)= {SHA1}\n"), ""),
    ],
    "MAN-014": [
        (
            ova(readme=b"1", web__mf=manifest({"web.ovf": DESCRIPTOR, "readme": b"1"})),
            "x.ova!web.mf:2: warning: manifest lists a file that nothing refers to ('readme')",
        ),
        (archive(SIGNED), ""),
        (listing(f"SHA1(gone)= {SHA1}\n"), ""),
    ],
}
