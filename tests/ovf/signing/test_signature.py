"""Signatures: what openssl signs we find true and the other way round, CMS, and what is false."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from ovf.package import Package
from ovf.signing.keys import Signer, pem
from ovf.signing.signature import Examination, examine, is_signed
from tests.ovf.builders import pack, signed_off, with_disk
from tests.ovf.signing.signers import (
    authority,
    cert,
    certificate_file,
    cms_block,
    key_file,
    openssl,
    pem_block,
    signer,
)
from tests.support.corpus import CORPUS

DISK = bytes(range(256)) * 256
SIGNED = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": DISK})
MANIFEST = SIGNED["web.mf"]
BY_ROOT = signer("Signer", by=authority())
BY_RSA = signer("RSA signer", by=authority(), kind="rsa2048")
both_kinds = pytest.mark.parametrize("who", [BY_ROOT, BY_RSA], ids=["ecdsa", "rsa"])


def examined(folder: Path, content: bytes, at: datetime | None = None) -> Examination:
    path = pack(folder / "x.ova", {**SIGNED, "web.cert": content})
    found = examine(Package.open(path), at)
    assert found is not None
    return found


def told(found: Examination) -> list[str]:
    """Return the findings by their lines; only INFO ones are left out."""
    return [
        f"{each.rule} {each.location.line}: {each.message}"
        for each in found.findings
        if each.severity > 1
    ]


@both_kinds
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_what_openssl_signs_is_true(tmp_path: Path, who: Signer, algorithm: str) -> None:
    (tmp_path / "web.mf").write_bytes(MANIFEST)
    key = key_file(tmp_path, who)
    signature = openssl("dgst", f"-{algorithm}", "-sign", key, tmp_path / "web.mf")
    line = f"{algorithm.upper()}(web.mf)= {signature.hex()}\n".encode()
    found = examined(tmp_path, line + pem(who.certificate))
    assert [each.rule for each in found.findings] == ["CRT-005"] * (algorithm != "sha256")
    assert (found.algorithm, found.signer) == (algorithm.upper(), who.certificate)


@both_kinds
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_what_is_signed_openssl_finds_true(tmp_path: Path, who: Signer, algorithm: str) -> None:
    content = cert(MANIFEST, who, algorithm=algorithm.upper())
    line = content.splitlines()[0].decode()
    (tmp_path / "signature").write_bytes(bytes.fromhex(line.partition("= ")[2]))
    (tmp_path / "web.mf").write_bytes(MANIFEST)
    public = tmp_path / "public.pem"
    own = certificate_file(tmp_path, who)
    public.write_bytes(openssl("x509", "-in", own, "-pubkey", "-noout"))
    argv = ("dgst", f"-{algorithm}", "-verify", public, "-signature", tmp_path / "signature")
    assert openssl(*argv, tmp_path / "web.mf") == b"Verified OK\n"


FALSE = {
    "another manifest": cert(MANIFEST + b" ", BY_ROOT),
    "another key": cert(MANIFEST, BY_ROOT).replace(
        pem(BY_ROOT.certificate), pem(signer("Else", by=authority()).certificate)
    ),
    "another digest": cert(MANIFEST, BY_ROOT).replace(b"SHA256(", b"SHA512("),
    "another kind of key": cert(MANIFEST, BY_ROOT).replace(
        pem(BY_ROOT.certificate), pem(BY_RSA.certificate)
    ),
    "a signature cut short": cert(MANIFEST, BY_ROOT).replace(b"= 30", b"= ", 1),
}


@pytest.mark.parametrize("case", FALSE)
def test_a_signature_over_anything_else_is_false(tmp_path: Path, case: str) -> None:
    found = examined(tmp_path, FALSE[case])
    who = found.signer
    assert who is not None
    name = who.subject.rfc4514_string()
    assert told(found)[0] == f"CRT-003 1: signature is not that of {name} over the manifest"


def test_a_package_says_whether_it_is_signed(tmp_path: Path) -> None:
    plain = Package.open(pack(tmp_path / "plain.ova", SIGNED))
    assert (is_signed(plain), examine(plain)) == (False, None)
    path = pack(tmp_path / "x.ova", {**SIGNED, "web.cert": cert(MANIFEST)})
    assert is_signed(Package.open(path))


def test_without_its_manifest_a_certificate_is_still_looked_at(tmp_path: Path) -> None:
    members = {name: content for name, content in SIGNED.items() if name != "web.mf"}
    old = signer("Old", by=authority(), years=(2001, 2002))
    path = pack(tmp_path / "x.ova", {**members, "web.cert": cert(MANIFEST, old)})
    found = examine(Package.open(path))
    assert found is not None
    assert told(found) == ["CRT-004 2: certificate has expired (2002-01-01T00:00:00Z): CN=Old"]


def test_validity_is_judged_at_the_time_asked_for(tmp_path: Path) -> None:
    old = cert(MANIFEST, signer("Old", by=authority(), years=(2001, 2002)))
    assert told(examined(tmp_path, old, datetime(2020, 6, 1, tzinfo=UTC))) == [
        "CRT-004 2: certificate has expired (2002-01-01T00:00:00Z): CN=Old"
    ]
    assert told(examined(tmp_path, old, datetime(2001, 6, 1, tzinfo=UTC))) == []
    assert told(examined(tmp_path, old, datetime(2000, 6, 1, tzinfo=UTC))) == [
        "CRT-004 2: certificate is not valid yet (from 2001-01-01T00:00:00Z): CN=Old"
    ]


@both_kinds
def test_the_cms_form_of_virtualbox_is_read_and_true(tmp_path: Path, who: Signer) -> None:
    line = cert(MANIFEST, who).replace(b")= ", b") = ").replace(b"\n-", b"\n\n-", 1)
    found = examined(tmp_path, line + cms_block(tmp_path, MANIFEST, who))
    assert told(found) == []
    assert [each.message for each in found.findings] == [
        "holds a CMS signature, which VirtualBox alone reads"
    ]
    assert found.cms == ("SHA512",)


def test_intermediates_in_a_cms_signature_belong_to_the_chain(tmp_path: Path) -> None:
    between = authority("Between", by=authority())
    who = signer("Far", by=between)
    more = certificate_file(tmp_path, between, "between.pem")
    block = cms_block(tmp_path, MANIFEST, who, "-certfile", str(more))
    found = examined(tmp_path, cert(MANIFEST, who, more=block))
    assert told(found) == []
    assert found.others == (between.certificate,)


CMS_OPTIONS = {
    "no attributes": ("-noattr",),
    "key identifier": ("-keyid",),
    "content inside": ("-nodetach",),
    "without the certificate": ("-nocerts",),
}


@pytest.mark.parametrize("case", CMS_OPTIONS)
def test_other_ways_to_write_a_cms_signature_are_read(tmp_path: Path, case: str) -> None:
    who = with_key_identifier(tmp_path)
    block = cms_block(tmp_path, MANIFEST, who, *CMS_OPTIONS[case])
    found = examined(tmp_path, cert(MANIFEST, who, more=block))
    assert found.cms == ("SHA512",)
    assert [line for line in told(found) if "CMS" in line] == []


def with_key_identifier(folder: Path) -> Signer:
    """Return a signer whose certificate openssl made."""
    who = signer("Named by key")
    key = key_file(folder, who)
    own = openssl("req", "-x509", "-key", key, "-subj", "/CN=Named by key", "-days", "9")
    return Signer(who.key, x509.load_pem_x509_certificate(own))


def damaged(block: bytes, at: int) -> bytes:
    """Return a CMS block with one byte of its content changed."""
    content = bytearray(base64.b64decode(b"".join(block.split(b"\n")[1:-2])))
    content[at] ^= 1
    return pem_block("CMS", bytes(content))


def test_cms_signatures_that_are_not_true_are_told(tmp_path: Path) -> None:
    block = cms_block(tmp_path, MANIFEST, BY_ROOT)
    bad = {
        "CMS signature is of another manifest": cms_block(tmp_path, MANIFEST + b"!", BY_ROOT),
        "CMS signature is of another signer (CN=Else)": cms_block(
            tmp_path, MANIFEST, signer("Else", by=authority())
        ),
        "CMS signature is not that of CN=Signer": damaged(block.strip() + b"\n", -1),
        "CMS signature cannot be read": pem_block("CMS", b"0\x80"),
        "CMS block is no signature (data)": pem_block(
            "PKCS7", bytes.fromhex("300f06092a864886f70d010701a0020400")
        ),
        "CMS signature's certificate is not there": cms_block(
            tmp_path, MANIFEST, signer("Else", by=authority()), "-nocerts"
        ),
        "CMS signature is made in a way that is not used (rsassa_pss)": cms_block(
            tmp_path, MANIFEST, BY_RSA, "-keyopt", "rsa_padding_mode:pss"
        ),
    }
    for message, wrong in bad.items():
        found = examined(tmp_path, cert(MANIFEST, BY_ROOT, more=wrong))
        number = cert(MANIFEST, BY_ROOT).count(b"\n") + 1
        assert f"CRT-003 {number}: {message}" in told(found), message
        assert found.cms == ()


def test_a_key_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    key = tmp_path / "ed.pem"
    key.write_bytes(openssl("genpkey", "-algorithm", "ed25519"))
    own = openssl("req", "-x509", "-key", key, "-subj", "/CN=Ed", "-days", "9")
    found = examined(tmp_path, b"SHA256(web.mf)= 00\n" + own)
    assert told(found)[0] == (
        "CRT-003 1: certificate's key is neither RSA nor ECDSA (Ed25519PublicKey)"
    )


@pytest.mark.skipif(not CORPUS.is_dir(), reason="there is no corpus")
def test_what_open_ovf_signed_is_true_but_expired_and_short() -> None:
    folder = CORPUS / "ovf/open-ovf/py/tests/test_files"
    found = examine(Package.open(folder / "ourOVF.ovf"))
    assert found is not None
    who = "CN=www.scott.mosers.us,L=Plymouth,ST=Michigan,C=US"
    assert told(found) == [
        "CRT-005 2: key is too short to be safe (RSA, 512 bits)",
        f"CRT-004 2: certificate has expired (2009-09-03T01:56:39Z): {who}",
        "CRT-004 2: certificate is signed by itself: nobody vouches for it",
    ]


LOADED = """
import sys
from click.testing import CliRunner
from ovf.cli import validate
CliRunner().invoke(validate, [sys.argv[1]])
print([name for name in ("cryptography", "asn1crypto") if name in sys.modules])
"""


def test_a_package_without_a_signature_is_judged_without_cryptography(tmp_path: Path) -> None:
    plain = pack(tmp_path / "plain.ova", SIGNED)
    path = pack(tmp_path / "x.ova", {**SIGNED, "web.cert": cert(MANIFEST)})
    for each, loaded in (
        (plain, "[]"),
        (path, "['cryptography', 'asn1crypto']"),
    ):
        argv = [sys.executable, "-c", LOADED, str(each)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == loaded
