"""`rehost ovf sign` and `testkey`: what is written, where, and every refusal in its words."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from ovf.commands.sign import sign
from ovf.commands.testkey import testkey as new_key
from ovf.package import Package
from ovf.signing.keys import Signer, pem
from ovf.signing.signature import examine
from rehost.errors import InteropError
from tests.ovf.builders import manifest, pack, said, signed_off, with_disk
from tests.ovf.signing.signers import (
    authority,
    cert,
    certificate_file,
    key_file,
    openssl,
    signer,
)

SCHEMA = Path(__file__).parents[3] / "schemas" / "ovf-sign.schema.json"
DISK = bytes(range(256)) * 256
SIGNED = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": DISK})
BY_ROOT = signer("Signer", by=authority())
BY_RSA = signer("RSA signer", by=authority(), kind="rsa2048")


def identity(folder: Path, who: Signer = BY_ROOT) -> list[str]:
    return [
        *("--key", str(key_file(folder, who))),
        *("--certificate", str(certificate_file(folder, who))),
    ]


def run(*arguments: object) -> str:
    """Run `sign` to a good end and return what it printed."""
    shown = CliRunner().invoke(sign, list(map(str, arguments)), catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def refused(folder: Path, *arguments: object) -> tuple[str, str, int]:
    shown = CliRunner().invoke(sign, list(map(str, arguments)))
    assert isinstance(shown.exception, InteropError), shown.output
    return said(shown.exception, folder)


def names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {
            entry.name: file.read() for entry in archive if (file := archive.extractfile(entry))
        }


def assert_true(path: Path, who: Signer, algorithm: str = "SHA256") -> None:
    """See that a package's signature is true, by openssl's opinion too."""
    package = Package.open(path)
    found = examine(package)
    assert found is not None
    assert [each for each in found.findings if each.rule in {"CRT-001", "CRT-002", "CRT-003"}] == []
    assert found.signer == who.certificate
    folder = path.parent / "openssl"
    folder.mkdir(exist_ok=True)
    read = {
        name: package.member(name).pread(0, 99999)
        for name in (found.name, package.manifest_name)
        if name
    }
    own, listing = (folder / name for name in read)
    signature = read[found.name].splitlines()[0].decode().partition("= ")[2]
    (folder / "signature").write_bytes(bytes.fromhex(signature))
    own.write_bytes(read[found.name])
    listing.write_bytes(read[str(package.manifest_name)])
    public = folder / "public"
    public.write_bytes(openssl("x509", "-in", own, "-pubkey", "-noout"))
    asked = ("dgst", f"-{algorithm.lower()}", "-verify", public)
    assert openssl(*asked, "-signature", folder / "signature", listing) == b"Verified OK\n"


@pytest.mark.parametrize("who", [BY_ROOT, BY_RSA], ids=["ecdsa", "rsa"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_an_archive_gets_its_certificate_behind_the_manifest(
    tmp_path: Path, who: Signer, digest: str
) -> None:
    source, dest = pack(tmp_path / "x.ova", SIGNED), tmp_path / "y.ova"
    before = source.read_bytes()
    run(source, dest, *identity(tmp_path, who), "--digest", digest)
    assert names(dest) == ["web.ovf", "web.mf", "web.cert", "disk.vmdk"]
    kept = contents(dest)
    own = kept.pop("web.cert")
    assert kept == SIGNED
    assert own.startswith(f"{digest.upper()}(web.mf)= ".encode())
    assert own.endswith(pem(who.certificate))
    assert source.read_bytes() == before
    assert_true(dest, who, digest)


def test_everything_but_the_new_member_stays_byte_for_byte(tmp_path: Path) -> None:
    source = pack(tmp_path / "x.ova", SIGNED, form=tarfile.GNU_FORMAT)
    run(source, tmp_path / "y.ova", *identity(tmp_path))
    before, after = source.read_bytes(), (tmp_path / "y.ova").read_bytes()
    [place] = [at for at in range(0, len(after), 512) if after[at : at + 9] == b"web.cert\0"]
    size = int(after[place + 124 : place + 135], 8)
    assert after[:place] + after[place + 512 + -(-size // 512) * 512 :] == before


def test_where_the_manifest_comes_last_so_does_the_certificate(tmp_path: Path) -> None:
    members = {name: SIGNED[name] for name in ("web.ovf", "disk.vmdk", "web.mf")}
    dest = tmp_path / "y.ova"
    run(pack(tmp_path / "x.ova", members), dest, *identity(tmp_path))
    assert names(dest) == ["web.ovf", "disk.vmdk", "web.mf", "web.cert"]
    assert_true(dest, BY_ROOT)


def test_an_archive_that_ends_at_once_gets_its_end(tmp_path: Path) -> None:
    members = {name: SIGNED[name] for name in ("web.ovf", "disk.vmdk", "web.mf")}
    source, dest = pack(tmp_path / "x.ova", members), tmp_path / "y.ova"
    source.write_bytes(source.read_bytes().rstrip(b"\0"))
    run(source, dest, *identity(tmp_path))
    assert contents(dest).keys() == {*members, "web.cert"}
    assert dest.read_bytes().endswith(bytes(1024))
    assert_true(dest, BY_ROOT)


def test_members_in_a_folder_of_the_archive_stay_together(tmp_path: Path) -> None:
    members = {f"sub/{name}": content for name, content in SIGNED.items()}
    dest = tmp_path / "y.ova"
    run(pack(tmp_path / "x.ova", members), dest, *identity(tmp_path))
    assert names(dest) == ["sub/web.ovf", "sub/web.mf", "sub/web.cert", "sub/disk.vmdk"]
    assert_true(dest, BY_ROOT)


def test_signing_again_replaces_the_signature(tmp_path: Path) -> None:
    source = pack(tmp_path / "x.ova", {**SIGNED, "web.cert": cert(SIGNED["web.mf"])})
    assert refused(tmp_path, source, *identity(tmp_path)) == (
        "x.ova: exists already",
        "Name another output, or pass --force to replace it.",
        6,
    )
    run(source, "--force", *identity(tmp_path))
    assert names(source) == ["web.ovf", "web.mf", "web.cert", "disk.vmdk"]
    assert_true(source, BY_ROOT)


def test_beside_its_files_a_package_gets_a_certificate(tmp_path: Path) -> None:
    for name, content in SIGNED.items():
        (tmp_path / name).write_bytes(content)
    printed = run(tmp_path, *identity(tmp_path))
    assert printed == f"{tmp_path}/web.cert: signed by CN=Signer, SHA256, in web.cert\n"
    assert_true(tmp_path / "web.ovf", BY_ROOT)
    assert refused(tmp_path, tmp_path / "web.ovf", *identity(tmp_path))[0] == (
        "web.cert: exists already"
    )
    run(tmp_path / "web.ovf", "--force", *identity(tmp_path, BY_RSA))
    assert_true(tmp_path / "web.ovf", BY_RSA)


@pytest.mark.parametrize("dest", ["out", "out.ova"])
def test_files_beside_a_descriptor_are_copied_while_their_digests_are_checked(
    tmp_path: Path, dest: str
) -> None:
    source, key = tmp_path / "source", identity(tmp_path)
    source.mkdir()
    for name, content in {**SIGNED, "web.cert": cert(SIGNED["web.mf"])}.items():
        (source / name).write_bytes(content)
    printed = run(source, tmp_path / dest, *key)
    assert printed == f"{tmp_path}/{dest}: signed by CN=Signer, SHA256, in web.cert\n"
    place = tmp_path / dest
    kept = contents(place) if place.is_file() else {p.name: p.read_bytes() for p in place.iterdir()}
    assert {name: kept[name] for name in SIGNED} == SIGNED
    assert_true(place if place.is_file() else place / "web.ovf", BY_ROOT)
    (source / "disk.vmdk").write_bytes(b"else")
    told, _, code = refused(tmp_path, source, tmp_path / f"2{dest}", *key)
    assert told.startswith("source/disk.vmdk: SHA256 digest differs from the manifest (is ")
    assert (code, (tmp_path / f"2{dest}").exists()) == (7, False)


def test_what_cannot_be_copied_true_is_refused(tmp_path: Path) -> None:
    source, key = tmp_path / "source", identity(tmp_path)
    source.mkdir()
    for name, content in HALF.items():
        (source / name).write_bytes(content)
    assert refused(tmp_path, source, tmp_path / "out", *key) == (
        "source/web.ovf:3: referenced file is not in the manifest ('disk.vmdk')",
        "Write the manifest again, then sign it.",
        6,
    )
    mixed = HALF["web.mf"] + manifest({"disk.vmdk": DISK}, "SHA1")
    (source / "web.mf").write_bytes(mixed)
    assert refused(tmp_path, source, tmp_path / "out", *key) == (
        "source/web.ovf: manifest is not of one digest",
        "Write it again.",
        4,
    )


def test_the_kernel_need_not_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any) -> int:
        raise OSError(95, "not supported", str(given))

    source = pack(tmp_path / "x.ova", SIGNED)
    run(source, tmp_path / "y.ova", *identity(tmp_path, BY_RSA))
    monkeypatch.setattr(os, "copy_file_range", refuse)
    run(source, tmp_path / "z.ova", *identity(tmp_path, BY_RSA))
    assert (tmp_path / "y.ova").read_bytes() == (tmp_path / "z.ova").read_bytes()


def test_a_chain_is_added_behind_the_certificate(tmp_path: Path) -> None:
    between = authority("Between", by=authority())
    who = signer("Far", by=between)
    source, dest = pack(tmp_path / "x.ova", SIGNED), tmp_path / "y.ova"
    more = certificate_file(tmp_path, between, "between.pem")
    run(source, dest, *identity(tmp_path, who), "--chain", more)
    both = pem(who.certificate) + pem(between.certificate)
    assert contents(dest)["web.cert"].endswith(both)
    (tmp_path / "own.pem").write_bytes(both)
    run(
        source,
        dest,
        "--force",
        "--key",
        tmp_path / "key.pem",
        "--certificate",
        tmp_path / "own.pem",
    )
    assert contents(dest)["web.cert"].endswith(both)


@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_a_pkcs12_file_holds_key_certificate_and_chain(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    between = authority("Between", by=authority())
    who = signer("Far", by=between)
    own, more = certificate_file(tmp_path, who), certificate_file(tmp_path, between, "more.pem")
    bundle = tmp_path / "who.p12"
    password = f"pass:{(passphrase or b'').decode()}"
    argv = ("pkcs12", "-export", "-inkey", key_file(tmp_path, who), "-in", own)
    openssl(*argv, "-certfile", more, "-passout", password, "-out", bundle)
    (tmp_path / "secret").write_bytes(b"secret\n")
    asked = ["--passphrase-file", tmp_path / "secret"] if passphrase else []
    dest = tmp_path / "y.ova"
    run(pack(tmp_path / "x.ova", SIGNED), dest, "--pkcs12", bundle, *asked)
    assert contents(dest)["web.cert"].endswith(pem(who.certificate) + pem(between.certificate))
    assert_true(dest, who)


def test_keys_are_read_in_every_usual_form(tmp_path: Path) -> None:
    source = pack(tmp_path / "x.ova", SIGNED)
    own = certificate_file(tmp_path, BY_RSA)
    (tmp_path / "secret").write_bytes(b"secret\nmore")
    plain = key_file(tmp_path, BY_RSA)
    for number, form in enumerate(
        (("rsa", "-traditional"), ("rsa", "-outform", "DER"), ("rsa", "-aes256"))
    ):
        path, dest = tmp_path / f"key{number}", tmp_path / f"{number}.ova"
        path.write_bytes(openssl(*form, "-in", plain, "-passout", "pass:secret"))
        asked = ["--passphrase-file", tmp_path / "secret"] if "-aes256" in form else []
        run(source, dest, "--key", path, "--certificate", own, *asked)
        assert_true(dest, BY_RSA)
    own.write_bytes(BY_RSA.certificate.public_bytes(serialization.Encoding.DER))
    run(source, tmp_path / "der.ova", "--key", plain, "--certificate", own)
    assert_true(tmp_path / "der.ova", BY_RSA)


def test_json_and_the_note_on_digests(tmp_path: Path) -> None:
    members = {
        **SIGNED,
        "web.mf": manifest({n: SIGNED[n] for n in SIGNED if n != "web.mf"}, "SHA1"),
    }
    source, dest = pack(tmp_path / "x.ova", members), tmp_path / "y.ova"
    note = "signature is of SHA256, the manifest of SHA1: old importers read one digest for both"
    assert run(source, dest, *identity(tmp_path)).splitlines()[1:] == [f"  note: {note}"]
    told = json.loads(run(source, dest, "--force", "--json", *identity(tmp_path)))
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert told == {
        "schema_version": 1,
        "path": str(dest),
        "certificate": "web.cert",
        "algorithm": "SHA256",
        "signer": "CN=Signer",
        "remarks": [note],
    }


FALSE_DISK = {**SIGNED, "disk.vmdk": b"else"}
NO_MANIFEST = {name: SIGNED[name] for name in SIGNED if name != "web.mf"}
HALF = {**SIGNED, "web.mf": manifest({"web.ovf": SIGNED["web.ovf"]})}


def test_a_manifest_that_is_missing_false_or_not_whole_is_not_signed(tmp_path: Path) -> None:
    source, dest = tmp_path / "x.ova", tmp_path / "y.ova"
    asked = (source, dest, *identity(tmp_path))
    pack(source, NO_MANIFEST)
    assert refused(tmp_path, *asked) == (
        "x.ova: has no manifest, which is what is signed",
        "Write the package with a manifest first.",
        6,
    )
    pack(source, FALSE_DISK)
    what, _, code = refused(tmp_path, *asked)
    assert what.startswith("x.ova!disk.vmdk: SHA256 digest differs from the manifest (is ")
    assert code == 7
    pack(source, HALF)
    assert refused(tmp_path, *asked) == (
        "x.ova!web.ovf:3: referenced file is not in the manifest ('disk.vmdk')",
        "Write the manifest again, then sign it.",
        6,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.pem", "own.pem", "x.ova"]


def test_a_certificate_nobody_would_accept_is_not_signed_with(tmp_path: Path) -> None:
    source = pack(tmp_path / "x.ova", SIGNED)
    wrong = {
        "CN=Old: certificate has expired (2002-01-01T00:00:00Z)": signer("Old", years=(2001, 2002)),
        "CN=New: certificate is not valid yet (from 2090-01-01T00:00:00Z)": signer(
            "New", years=(2090, 2091)
        ),
        "CN=Use: certificate is not meant for signatures (keyUsage is keyEncipherment)": signer(
            "Use", uses="key_encipherment"
        ),
    }
    for what, who in wrong.items():
        assert refused(tmp_path, source, "y.ova", *identity(tmp_path, who)) == (
            what,
            "Nobody would accept it; take another.",
            6,
        )


WRONG_KEYS: dict[str, tuple[str, str, int]] = {
    "": (
        "who signs is to be said by --key and --certificate, or else by --pkcs12",
        "For tests, `rehost ovf testkey` makes both.",
        2,
    ),
    "--key other.pem --certificate own.pem": (
        "other.pem: key is not that of the certificate (CN=Signer)",
        "Name the key the certificate was made for.",
        2,
    ),
    "--key locked.pem --certificate own.pem": (
        "locked.pem: key is encrypted, and no passphrase was given",
        "Name its file by --passphrase-file.",
        2,
    ),
    "--key key.pem --certificate own.pem --passphrase-file wrong": (
        "key.pem: key is not encrypted, but a passphrase was given",
        "Leave it out.",
        2,
    ),
    "--key locked.pem --certificate own.pem --passphrase-file wrong": (
        "locked.pem: key cannot be read, or the passphrase is wrong",
        "PEM or DER is read.",
        3,
    ),
    "--key x.ova --certificate own.pem": (
        "x.ova: key cannot be read, or the passphrase is wrong",
        "PEM or DER is read.",
        3,
    ),
    "--key ed.pem --certificate own.pem": (
        "ed.pem: key is neither RSA nor ECDSA (Ed25519PrivateKey)",
        "Make an RSA or ECDSA key, as `rehost ovf testkey` does.",
        4,
    ),
    "--key key.pem --certificate odd.pem": (
        "key.pem: certificate's key is of a kind or size that is not used",
        "Make an RSA or ECDSA key, as `rehost ovf testkey` does.",
        4,
    ),
    "--key key.pem --certificate key.pem": (
        "key.pem: holds a certificate that cannot be read, or none",
        "PEM or DER is read.",
        3,
    ),
    "--pkcs12 who.p12": (
        "who.p12: PKCS #12 file cannot be read, or the passphrase is wrong",
        "Give its passphrase by --passphrase-file.",
        3,
    ),
    "--pkcs12 only.p12": ("only.p12: holds no key with its certificate", "", 3),
}
WRONG_KEYS["--key key.pem"] = WRONG_KEYS["--pkcs12 who.p12 --key key.pem"] = WRONG_KEYS[""]
WRONG_KEYS["--pkcs12 who.p12 --passphrase-file wrong"] = WRONG_KEYS["--pkcs12 who.p12"]


@pytest.fixture(scope="module")
def odd_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of keys that do not do, and of what goes with them."""
    folder = tmp_path_factory.mktemp("odd")
    pack(folder / "x.ova", SIGNED)
    certificate_file(folder, BY_ROOT)
    key_file(folder, BY_RSA).rename(folder / "other.pem")
    key_file(folder, BY_ROOT, b"secret").rename(folder / "locked.pem")
    key_file(folder, BY_ROOT)
    (folder / "ed.pem").write_bytes(openssl("genpkey", "-algorithm", "ed25519"))
    (folder / "curve.pem").write_bytes(
        openssl("ecparam", "-name", "secp224r1", "-param_enc", "explicit", "-genkey", "-noout")
    )
    asked = ("-new", "-x509", "-key", folder / "curve.pem", "-subj", "/CN=Odd", "-days", "9")
    (folder / "odd.pem").write_bytes(openssl("req", *asked))
    (folder / "wrong").write_bytes(b"wrong")
    packed = pkcs12.serialize_key_and_certificates
    locked = serialization.BestAvailableEncryption(b"secret")
    bundle = packed(b"x", BY_ROOT.key, BY_ROOT.certificate, None, locked)
    (folder / "who.p12").write_bytes(bundle)
    only = packed(b"x", None, BY_ROOT.certificate, None, serialization.NoEncryption())
    (folder / "only.p12").write_bytes(only)
    return folder


@pytest.mark.parametrize("asked", WRONG_KEYS)
def test_keys_and_certificates_that_do_not_do_are_told(odd_keys: Path, asked: str) -> None:
    words = [word if word.startswith("-") else str(odd_keys / word) for word in asked.split()]
    told = refused(odd_keys, odd_keys / "x.ova", "y.ova", *words)
    assert told == WRONG_KEYS[asked]


def test_a_signed_package_is_no_descriptor(tmp_path: Path) -> None:
    for name, content in SIGNED.items():
        (tmp_path / name).write_bytes(content)
    assert refused(tmp_path, tmp_path, tmp_path / "y" / "y.ovf", *identity(tmp_path)) == (
        "y/y.ovf: is named as a descriptor, not as a package",
        "Name an .ova or, of a package in a folder, another folder.",
        2,
    )


def test_an_archive_in_gzip_is_told_to_be_unpacked(tmp_path: Path) -> None:
    source = pack(tmp_path / "x.ova", SIGNED, mode="w:gz")
    assert refused(tmp_path, source, tmp_path / "y.ova", *identity(tmp_path)) == (
        "x.ova: is compressed as a whole",
        "Unpack it first: gunzip.",
        4,
    )


def test_a_name_no_archive_can_hold_is_told(tmp_path: Path) -> None:
    long = "n" * 97
    members = {f"{long}.ovf": SIGNED["web.ovf"], "disk.vmdk": DISK}
    source = pack(tmp_path / "x.ova", signed_off(members), form=tarfile.GNU_FORMAT)
    assert refused(tmp_path, source, tmp_path / "y.ova", *identity(tmp_path)) == (
        f"x.ova: holds a name that is too long for an archive (102 bytes: '{long}.cert')",
        "Give the file a name of at most 100 bytes.",
        4,
    )


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_test_key_signs_and_is_its_owners_alone(tmp_path: Path, kind: str) -> None:
    key, own = tmp_path / "key.pem", tmp_path / "own.pem"
    asked = ["Test", "--key", str(key), "--certificate", str(own), "--kind", kind, "--days", "9"]
    shown = CliRunner().invoke(new_key, asked, catch_exceptions=False)
    assert shown.stdout == f"{key}, {own}: for tests, valid 9 days\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    said_by_openssl = openssl("x509", "-in", own, "-noout", "-subject", "-checkend", "691200")
    assert said_by_openssl == b"subject=CN = Test\nCertificate will not expire\n"
    dest = tmp_path / "y.ova"
    run(pack(tmp_path / "x.ova", SIGNED), dest, "--key", key, "--certificate", own)
    again = CliRunner().invoke(new_key, asked)
    assert isinstance(again.exception, InteropError)
    assert said(again.exception, tmp_path) == (
        "own.pem: exists already",
        "Name another output, or pass --force to replace it.",
        6,
    )


@pytest.mark.parametrize("name", ["", "n" * 65, "a\udcff"])
def test_a_name_no_certificate_can_have_is_told(tmp_path: Path, name: str) -> None:
    asked = [name, "--key", str(tmp_path / "k"), "--certificate", str(tmp_path / "c")]
    shown = CliRunner().invoke(new_key, asked)
    assert isinstance(shown.exception, InteropError)
    assert said(shown.exception, tmp_path) == (
        f"is no name for a certificate ({name!r})",
        "It has 1 to 64 characters.",
        2,
    )


def test_key_and_certificate_are_two_files(tmp_path: Path) -> None:
    asked = ["Test", "--key", str(tmp_path / "k"), "--certificate", str(tmp_path / "." / "k")]
    shown = CliRunner().invoke(new_key, asked)
    assert isinstance(shown.exception, InteropError)
    assert said(shown.exception, tmp_path) == (
        "k: is named for two outputs",
        "Give each a name of its own.",
        2,
    )


def test_checking_and_copying_say_how_far_they_are(tmp_path: Path) -> None:
    source = pack(tmp_path / "x.ova", SIGNED)
    own = ["--key", str(key_file(tmp_path, BY_ROOT))]
    own += ["--certificate", str(certificate_file(tmp_path, BY_ROOT))]
    argv = [sys.executable, "-c", "from rehost.console.main import main; main()"]
    asked = ["--progress", "json", "ovf", "sign", str(source), str(tmp_path / "y.ova"), *own]
    done = subprocess.run([*argv, *asked], capture_output=True, text=True, check=True)
    last = json.loads(done.stderr.splitlines()[-1])
    size = len(SIGNED["web.ovf"]) + len(DISK)
    assert (last["phase"], last["done"], last["total"]) == ("checking digests", size, size)
    asked = ["--progress", "json", "ovf", "verify", str(tmp_path / "y.ova")]
    done = subprocess.run([*argv, *asked], capture_output=True, text=True, check=False)
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["phase"], last["done"], last["total"]) == ("checking digests", size, size)
