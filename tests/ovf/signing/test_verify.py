"""`rehost ovf verify`: what is true, what is not, and who is trusted, in its exact words."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner
from cryptography import x509

from ovf.commands.verify import verify
from ovf.signing.chain import Chain, judged, trusted_certificates
from ovf.signing.keys import Signer, pem
from rehost.errors import InteropError
from tests.ovf.builders import manifest, pack, said, signed_off, with_disk
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
from tests.support.packages import rehost

SCHEMA = Path(__file__).parents[3] / "schemas" / "ovf-verify.schema.json"
DISK = bytes(range(256)) * 256
SIGNED = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": DISK})
MANIFEST = SIGNED["web.mf"]
ROOT = authority()
BETWEEN = authority("Between", by=ROOT)
FAR = signer("Far", by=BETWEEN)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALID = "2020-01-01T00:00:00Z to 2100-01-01T00:00:00Z"


def signed_by(folder: Path, content: bytes | None, **changes: bytes) -> Path:
    more = {"web.cert": content} if content is not None else {}
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return pack(folder / "x.ova", {**SIGNED, **more, **changed})


def run(folder: Path, *arguments: object) -> tuple[int, list[str]]:
    """Return the exit code and the lines printed, the folder left out."""
    shown = CliRunner().invoke(verify, list(map(str, arguments)))
    if isinstance(shown.exception, InteropError):
        raise shown.exception
    return shown.exit_code, shown.stdout.replace(f"{folder}/", "").splitlines()


def trust(folder: Path, *whom: Signer) -> tuple[str, Path]:
    path = folder / "trusted.pem"
    path.write_bytes(b"".join(pem(each.certificate) for each in whom))
    return "--trust", path


def test_a_package_is_verified_from_its_files_to_a_trusted_certificate(tmp_path: Path) -> None:
    source = signed_by(tmp_path, cert(MANIFEST, FAR, more=pem(BETWEEN.certificate)))
    line = cert(MANIFEST, FAR).count(b"\n") + 1
    assert run(tmp_path, source, *trust(tmp_path, ROOT)) == (
        0,
        [
            "x.ova: verified, signed by CN=Far",
            "  digests      2 files in web.mf, as it says",
            "  signature    SHA256, true",
            f"  certificate  CN=Far (ECDSA, 256 bits; {VALID}; digitalSignature)",
            f"  issued by    CN=Between (ECDSA, 256 bits; {VALID}; keyCertSign)",
            f"  issued by    CN=Root (ECDSA, 256 bits; {VALID}; keyCertSign)",
            "  trust        trusted",
            f"  note: x.ova!web.cert:{line}: holds another certificate,"
            " which most readers pass over",
        ],
    )


def wrong(folder: Path, *arguments: object) -> list[str]:
    """Return what is said to be wrong; it is seen that the exit code says so, too."""
    code, lines = run(folder, *arguments)
    found = [line.removeprefix("  wrong: ") for line in lines if line.startswith("  wrong: ")]
    assert code == int(bool(found))
    assert (": verified, " in lines[0]) is not bool(found)
    return found


def test_the_cms_form_of_virtualbox_is_verified_with_its_chain(tmp_path: Path) -> None:
    more = certificate_file(tmp_path, BETWEEN, "between.pem")
    block = cms_block(tmp_path, MANIFEST, FAR, "-certfile", str(more))
    first = cert(MANIFEST, FAR).replace(b")= ", b") = ").replace(b"\n-", b"\n\n-", 1)
    line = first.count(b"\n") + 1
    source = signed_by(tmp_path, first + block)
    code, lines = run(tmp_path, source, *trust(tmp_path, ROOT))
    assert code == 0
    assert "  CMS          SHA512, true" in lines
    other = cms_block(tmp_path, MANIFEST + b"!", FAR)
    source = signed_by(tmp_path, first + other)
    assert wrong(tmp_path, source, *trust(tmp_path, ROOT, BETWEEN)) == [
        f"x.ova!web.cert:{line}: CMS signature is of another manifest"
    ]


def test_old_sha1_is_verified(tmp_path: Path) -> None:
    listing = manifest({name: SIGNED[name] for name in ("web.ovf", "disk.vmdk")}, "SHA1")
    who = signer("RSA signer", by=ROOT, kind="rsa2048")
    source = signed_by(tmp_path, cert(listing, who, algorithm="SHA1"), web__mf=listing)
    assert run(tmp_path, source, *trust(tmp_path, ROOT))[0] == 0


def test_whatever_was_changed_is_told(tmp_path: Path) -> None:
    true = cert(MANIFEST, FAR, more=pem(BETWEEN.certificate))
    trusted = trust(tmp_path, ROOT)
    false = hashlib.sha256(b"else").hexdigest()
    was = hashlib.sha256(DISK).hexdigest()
    source = signed_by(tmp_path, true, disk__vmdk=b"else")
    assert wrong(tmp_path, source, *trusted) == [
        f"x.ova!disk.vmdk: SHA256 digest differs from the manifest (is {false}, should be {was})"
    ]
    listing = MANIFEST.replace(was.encode(), false.encode())
    source = signed_by(tmp_path, true, disk__vmdk=b"else", web__mf=listing)
    assert wrong(tmp_path, source, *trusted) == [
        "x.ova!web.cert:1: signature is not that of CN=Far over the manifest"
    ]
    source = signed_by(tmp_path, cert(MANIFEST, FAR, name="else.mf", more=pem(BETWEEN.certificate)))
    assert wrong(tmp_path, source, *trusted) == [
        "x.ova!web.cert:1: signs 'else.mf', not the manifest ('web.mf')"
    ]
    half = manifest({"web.ovf": SIGNED["web.ovf"]})
    content = cert(half, FAR, more=pem(BETWEEN.certificate))
    source = signed_by(tmp_path, content, web__mf=half)
    assert wrong(tmp_path, source, *trusted) == [
        "x.ova!web.ovf:3: referenced file is not in the manifest ('disk.vmdk')"
    ]


def test_a_package_without_signature_or_manifest_is_not_verified(tmp_path: Path) -> None:
    source = signed_by(tmp_path, None)
    assert run(tmp_path, source, *trust(tmp_path, ROOT)) == (
        1,
        [
            "x.ova: not verified, signed by nobody",
            "  digests      2 files in web.mf, as it says",
            "  wrong: x.ova: is not signed",
        ],
    )
    members = {name: SIGNED[name] for name in ("web.ovf", "disk.vmdk")}
    pack(source, {**members, "web.cert": cert(MANIFEST, signer("A", by=ROOT))})
    assert wrong(tmp_path, source, *trust(tmp_path, ROOT)) == [
        "x.ova: has no manifest",
    ]
    signed_by(tmp_path, b"what", web__mf=b"what")
    assert wrong(tmp_path, source, *trust(tmp_path, ROOT)) == [
        "x.ova!web.mf:1: manifest line cannot be read ('what')",
        "x.ova!web.cert:1: first line is not a signature ('what')",
    ]
    signed_by(tmp_path, b"SHA256(web.mf)= 00\n" + pem_block("CERTIFICATE", b"0"))
    assert wrong(tmp_path, source, *trust(tmp_path, ROOT)) == [
        "x.ova!web.cert:2: certificate cannot be read"
    ]


SELF = signer("Alone")
DISTRUSTED: dict[str, tuple[Signer, tuple[Signer, ...], str]] = {
    "by itself": (SELF, (ROOT,), "certificate is signed by itself, and not trusted"),
    "another root": (
        FAR,
        (authority("Else"),),
        "issuer's certificate is not there, or not trusted (CN=Root)",
    ),
    "a root that is sent along": (
        signer("Near", by=authority("Sent")),
        (ROOT,),
        "chain ends at a certificate that is not trusted (CN=Sent)",
    ),
    "no authority": (
        signer("Led on", by=signer("Leaf", by=ROOT)),
        (ROOT,),
        "issuer's certificate may not vouch for others: CN=Leaf",
    ),
    "an authority that expired": (
        signer("Late", by=signer("Gone", by=ROOT, ca=True, uses=None, years=(2001, 2002))),
        (ROOT,),
        "issuer's certificate has expired (2002-01-01T00:00:00Z): CN=Gone",
    ),
    "expired": (
        signer("Old", by=ROOT, years=(2001, 2002)),
        (ROOT,),
        "certificate has expired (2002-01-01T00:00:00Z)",
    ),
    "not yet": (
        signer("New", by=ROOT, years=(2090, 2091)),
        (ROOT,),
        "certificate is not valid yet (from 2090-01-01T00:00:00Z)",
    ),
    "another use": (
        signer("Use", by=ROOT, uses="key_encipherment"),
        (ROOT,),
        "certificate is not meant for signatures (keyUsage is keyEncipherment)",
    ),
    "a short key": (
        signer("Short", by=ROOT, kind="rsa1024"),
        (ROOT,),
        "key is too short to be safe (RSA, 1024 bits)",
    ),
}


@pytest.mark.parametrize("case", DISTRUSTED)
def test_a_signer_nobody_should_trust_is_told_with_the_reason(tmp_path: Path, case: str) -> None:
    who, trusted, expected = DISTRUSTED[case]
    more = b"".join(map(pem, who.chain))
    if case == "a root that is sent along":
        more = pem(authority("Sent").certificate)
    source = signed_by(tmp_path, cert(MANIFEST, who, more=more))
    assert expected in wrong(tmp_path, source, *trust(tmp_path, *trusted))


def test_a_certificate_is_trusted_by_itself_where_it_is_named(tmp_path: Path) -> None:
    source = signed_by(tmp_path, cert(MANIFEST, SELF))
    assert wrong(tmp_path, source, *trust(tmp_path, SELF)) == []
    assert wrong(tmp_path, source) == ["certificate is signed by itself, and not trusted"]


def test_the_time_can_be_said(tmp_path: Path) -> None:
    root = signer("Old root", ca=True, uses=None, years=(2000, 2010))
    source = signed_by(tmp_path, cert(MANIFEST, signer("Old", by=root, years=(2001, 2002))))
    trusted = trust(tmp_path, root)
    assert wrong(tmp_path, source, *trusted, "--at", "2001-06-01") == []
    assert wrong(tmp_path, source, *trusted, "--at", "2002-06-01T12:00:00") == [
        "certificate has expired (2002-01-01T00:00:00Z)",
    ]


def test_a_folder_of_certificates_can_be_trusted(tmp_path: Path) -> None:
    source = signed_by(tmp_path, cert(MANIFEST, FAR, more=pem(BETWEEN.certificate)))
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "readme").write_bytes(b"nothing")
    with pytest.raises(InteropError) as caught:
        run(tmp_path, source, "--trust", folder)
    assert said(caught.value, tmp_path) == (
        "trusted: holds no certificate to be trusted",
        "Name a file or a folder of certificates by --trust.",
        5,
    )
    certificate_file(folder, ROOT)
    assert wrong(tmp_path, source, "--trust", folder) == []
    with pytest.raises(InteropError) as caught:
        run(tmp_path, source, "--trust", folder / "readme")
    assert said(caught.value, tmp_path) == (
        "trusted/readme: holds a certificate that cannot be read, or none",
        "PEM or DER is read.",
        3,
    )


def test_the_json_follows_its_schema(tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    for content in (cert(MANIFEST, FAR, more=pem(BETWEEN.certificate)), None, b"what"):
        source = signed_by(tmp_path, content)
        shown = CliRunner().invoke(
            verify, [str(source), *map(str, trust(tmp_path, ROOT)), "--json"]
        )
        told = json.loads(shown.stdout)
        jsonschema.validate(told, schema)
        assert told["verified"] is (shown.exit_code == 0)


def test_the_whole_json(tmp_path: Path) -> None:
    source = signed_by(tmp_path, cert(MANIFEST, SELF))
    code, lines = run(tmp_path, source, *trust(tmp_path, SELF), "--json")
    told: dict[str, Any] = json.loads("\n".join(lines))
    assert code == 0
    assert told == {
        "schema_version": 1,
        "source": "x.ova",
        "verified": True,
        "attestation": {
            "manifest": "web.mf",
            "files": 2,
            "digests_hold": True,
            "certificate": "web.cert",
            "algorithm": "SHA256",
            "signature_holds": True,
            "cms": [],
            "chain": [
                {
                    "subject": "CN=Alone",
                    "issuer": "CN=Alone",
                    "serial": f"{SELF.certificate.serial_number:x}",
                    "valid_from": "2020-01-01T00:00:00Z",
                    "valid_until": "2100-01-01T00:00:00Z",
                    "key": "ECDSA, 256 bits",
                    "usage": ["digitalSignature"],
                    "sha256": hashlib.sha256(
                        ssl.PEM_cert_to_DER_cert(pem(SELF.certificate).decode())
                    ).hexdigest(),
                }
            ],
            "trusted": True,
            "problems": [],
            "remarks": [],
        },
    }


def test_this_computers_own_trust_is_read() -> None:
    found = trusted_certificates(None)
    assert len(found) > 50
    assert all(isinstance(each, x509.Certificate) for each in found)


def openssl_accepts(folder: Path, who: Signer, others: tuple[Signer, ...], root: Signer) -> bool:
    more = folder / "more.pem"
    more.write_bytes(b"".join(pem(each.certificate) for each in others) or pem(root.certificate))
    argv = ["openssl", "verify", "-attime", str(int(NOW.timestamp()))]
    argv += ["-CAfile", str(certificate_file(folder, root, "root.pem")), "-untrusted", str(more)]
    argv += [str(certificate_file(folder, who))]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


DEEP = authority("Deep", by=authority("Deeper", by=BETWEEN))


@pytest.mark.parametrize(
    ("who", "others", "root"),
    [
        (FAR, (BETWEEN,), ROOT),
        (FAR, (), ROOT),
        (FAR, (BETWEEN,), authority("Else")),
        (signer("Deepest", by=DEEP), (DEEP, authority("Deeper", by=BETWEEN), BETWEEN), ROOT),
        (signer("Led on", by=signer("Leaf", by=ROOT)), (signer("Leaf", by=ROOT),), ROOT),
        (signer("Gone", by=ROOT, ca=True, uses=None, years=(2001, 2002)), (), ROOT),
    ],
    ids=["whole", "a gap", "another root", "a long way", "no authority", "expired"],
)
def test_openssl_is_of_the_same_opinion(
    tmp_path: Path, who: Signer, others: tuple[Signer, ...], root: Signer
) -> None:
    found = judged(
        who.certificate,
        tuple(each.certificate for each in others),
        [root.certificate],
        NOW,
    )
    in_force = who.certificate.not_valid_after_utc > NOW
    assert (found.is_trusted and in_force) is openssl_accepts(tmp_path, who, others, root)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_certificate_of_the_number_zero_is_told_without_a_warning(tmp_path: Path) -> None:
    key = key_file(tmp_path, SELF)
    made = openssl("req", "-x509", "-key", key, "-subj", "/CN=Zero", "-set_serial", "0")
    zero = Signer(SELF.key, x509.load_pem_x509_certificate(made))
    source = signed_by(tmp_path, cert(MANIFEST, zero, more=cms_block(tmp_path, MANIFEST, zero)))
    done = rehost("ovf", "verify", source, "--json", *trust(tmp_path, zero))
    assert done.err == ""
    assert json.loads(done.out)["attestation"]["chain"][0]["serial"] == "0"


def test_what_the_library_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    key = key_file(tmp_path, SELF)
    root = openssl(
        *("req", "-x509", "-key", key, "-subj", "/CN=Narrow", "-days", "9"),
        *("-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"),
        *("-addext", "keyUsage=critical,keyCertSign"),
    )
    narrow = Signer(SELF.key, x509.load_pem_x509_certificate(root))
    below = signer("Below", by=narrow, ca=True, uses="key_cert_sign")
    found = judged(
        signer("Lowest", by=below).certificate,
        (below.certificate,),
        [narrow.certificate],
        datetime.now(UTC),
    )
    assert [problem.partition(" (")[0] for problem in found.problems] == ["chain is not accepted"]
    assert isinstance(found, Chain)
