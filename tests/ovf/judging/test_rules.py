"""Every rule, by an example that breaks it, one that keeps it, and the exact words."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from converters.probe import PROBE
from ovf.cli import validate as command
from ovf.judging.rule import Basis, Needs, Rule, all_rules
from ovf.judging.validate import validate
from ovf.package import Package
from ovf.signing.keys import pem
from rehost.errors import UsageError
from rehost.report import Severity
from tests.ovf.builders import FIXTURES, manifest, pack, with_disk
from tests.ovf.contents.disk_cases import DISK_CASES
from tests.ovf.judging.breaking import (
    DESCRIPTOR,
    DISK,
    SHA1,
    SIGNED,
    WHOLE,
    Build,
    archive,
    chunked,
    compressed,
    in_form,
    listing,
    ova,
    with_href,
)
from tests.ovf.judging.language_cases import CASES as LANGUAGES
from tests.ovf.judging.layout_cases import CASES as LAYOUT
from tests.ovf.signing.signers import authority, cert, pem_block, signer

RULES = FIXTURES / "rules"
MANIFEST = SIGNED["web.mf"]

written = pytest.mark.parametrize(
    "rule",
    [rule for rule in all_rules() if rule.needs is Needs.DESCRIPTOR],
    ids=lambda rule: rule.id,
)


def lines(rule: Rule, package: Package, folder: Path) -> list[str]:
    package.probe = PROBE
    return [
        f"{finding.location}: {finding.severity.name.lower()}: {finding.message}".replace(
            f"{folder}/", ""
        )
        for finding in rule.findings(package)
    ]


@written
def test_bad_fixture_is_found_in_the_expected_words(rule: Rule) -> None:
    folder = RULES / rule.id
    expected = (folder / "bad.expected").read_text().splitlines()
    assert lines(rule, Package.open(folder / "bad.ovf"), folder) == expected


@written
def test_good_fixture_breaks_no_rule_of_descriptors(rule: Rule) -> None:
    found = validate(Package.open(RULES / rule.id / "good.ovf"), descriptor_only=True)
    remarks = [one for one in found if one.severity is Severity.INFO and one.rule != rule.id]
    assert [one for one in found if one not in remarks] == []


@written
def test_the_schema_does_not_tell_again_what_a_rule_tells(rule: Rule) -> None:
    [schema] = [each for each in all_rules() if each.id == "ENV-007"]
    package = Package.open(RULES / rule.id / "bad.ovf")
    told = {finding.location for finding in rule.findings(package) if rule is not schema}
    assert [each for each in schema.findings(package) if each.location in told] == []


PARTLY_OF_THE_SCHEMA = {"EFS-001", "ENC-001", "PLC-001", "PLC-002", "SHD-001"}
"""What the schema demands of an element and what else is meant by it, told by one rule."""
DANGEROUS = {"DSK-013", "DSK-020", "PKG-019"}
"""Disks of another size, or damaged, or outside the package; archives that write elsewhere."""


def test_an_error_is_of_the_standard_or_dangerous() -> None:
    standard = {Basis.TEXT, Basis.SCHEMA, Basis.CODE}
    errors = [rule for rule in all_rules() if rule.severity is Severity.ERROR]
    others = {rule.id for rule in errors if rule.basis not in standard}
    assert others == PARTLY_OF_THE_SCHEMA | DANGEROUS


def certified(content: bytes) -> Callable[[Path], Path]:
    return ova(web__cert=content)


BY_ROOT = signer("Signer", by=authority())
LED_ON = signer("Led on", by=signer("Leaf"))
TRUE_CERT = cert(MANIFEST, BY_ROOT)
LENGTH, LONGER = TRUE_CERT.count(b"\n"), pem(authority().certificate).count(b"\n")
EDITED = DESCRIPTOR.replace(b"<Info/>", b"<Info>edited</Info>", 1)
LINE = manifest({"disk.vmdk": DISK}).decode()
OWN = manifest({"web.ovf": DESCRIPTOR}).decode()
OTHER = hashlib.sha256(b"").hexdigest()
TRUE = hashlib.sha256(DISK).hexdigest()

CASES: dict[str, list[tuple[Build, str]]] = {
    **LAYOUT,
    **LANGUAGES,
    "PKG-010": [
        (archive(SIGNED, "x.tar"), "x.tar: error: archive is not named .ova ('.tar')"),
    ],
    "PKG-011": [
        (
            in_form(tarfile.GNU_FORMAT),
            "x.ova!web.ovf: error: header is GNU, not USTAR\n"
            "x.ova!web.mf: error: header is GNU, not USTAR\n"
            "x.ova!disk.vmdk: error: header is GNU, not USTAR",
        )
    ],
    "PKG-012": [
        (
            archive(dict(reversed(WHOLE.items()))),
            "x.ova: error: first member is 'disk.vmdk', not the descriptor",
        )
    ],
    "PKG-016": [
        (
            with_href("http://example.org/disk.vmdk"),
            "x.ova!web.ovf:3: error: ovf:href is not relative ('http://example.org/disk.vmdk')",
        )
    ],
    "PKG-021": [(compressed, "x.ova: warning: archive is compressed with gzip")],
    "PKG-018": [
        (
            archive({**WHOLE, "web.cert": b""}),
            "x.ova!web.cert: error: signs a manifest that is missing",
        )
    ],
    "MAN-001": [
        (listing("what\n"), "x.ova!web.mf:1: error: manifest line cannot be read ('what')")
    ],
    "MAN-004": [
        (
            ova(disk__vmdk=b""),
            "x.ova!disk.vmdk: error: SHA256 digest differs from the manifest"
            f" (is {OTHER}, should be {TRUE})",
        )
    ],
    "MAN-005": [
        (
            listing(OWN),
            "x.ova!web.ovf:3: error: referenced file is not in the manifest ('disk.vmdk')",
        )
    ],
    "MAN-006": [
        (
            listing(LINE),
            "x.ova!web.mf: warning: descriptor is not in the manifest ('web.ovf')",
        )
    ],
    "MAN-007": [
        (listing(f"SHA1(x)= {SHA1.upper()}\n"), "x.ova!web.mf:1: warning: digest is in upper case")
    ],
    "MAN-008": [
        (
            listing(f"SHA1 (x) = {SHA1}\n"),
            "x.ova!web.mf:1: warning: white space is not as in 'SHA256(name)= digest'",
        )
    ],
    "MAN-009": [
        (
            listing(f"SHA-1(x)= {SHA1}\n"),
            "x.ova!web.mf:1: warning: algorithm is spelled 'SHA-1'",
        )
    ],
    "MAN-010": [
        (
            listing(f"SHA1(x)= {SHA1}\r\n"),
            "x.ova!web.mf:1: error: lines end in CR LF, not LF",
        )
    ],
    "MAN-011": [
        (
            listing(OWN + LINE + LINE),
            "x.ova!web.mf:3: warning: file is listed again ('disk.vmdk', first in line 2)",
        )
    ],
    "MAN-012": [
        (
            listing(OWN + LINE + f"SHA1(web.mf)= {SHA1}\n"),
            "x.ova!web.mf:3: warning: manifest lists 'web.mf', which it should not",
        )
    ],
    "MAN-013": [
        (
            listing(OWN + LINE + f"SHA1(x)= {SHA1}\n"),
            "x.ova!web.mf:3: error: manifest lists a file that is not in the package ('x')",
        )
    ],
    "CRT-001": [
        (
            certified(b"what\n"),
            "x.ova!web.cert:1: error: first line is not a signature ('what')",
        ),
        (
            certified(cert(MANIFEST, name="other.mf")),
            "x.ova!web.cert:1: error: signs 'other.mf', not the manifest ('web.mf')",
        ),
    ],
    "CRT-002": [
        (
            certified(b"SHA256(web.mf)= 00\n"),
            "x.ova!web.cert:1: error: no certificate follows the signature",
        ),
        (
            certified(b"SHA256(web.mf)= 00\n\n" + pem_block("CMS", b"")),
            "x.ova!web.cert:3: error: no certificate follows the signature, but CMS first",
        ),
        (
            certified(b"SHA256(web.mf)= 00\n" + pem_block("CERTIFICATE", b"0\0")),
            "x.ova!web.cert:2: error: certificate cannot be read",
        ),
    ],
    "CRT-003": [
        (
            certified(cert(MANIFEST + b"\n", BY_ROOT)),
            "x.ova!web.cert:1: error: signature is not that of CN=Signer over the manifest",
        ),
    ],
    "CRT-004": [
        (
            certified(cert(MANIFEST, signer("Old", by=authority(), years=(2001, 2002)))),
            "x.ova!web.cert:2: warning: certificate has expired (2002-01-01T00:00:00Z): CN=Old",
        ),
        (
            certified(cert(MANIFEST, signer("New", by=authority(), years=(2090, 2091)))),
            "x.ova!web.cert:2: warning: certificate is not valid yet (from 2090-01-01T00:00:00Z):"
            " CN=New",
        ),
        (
            certified(cert(MANIFEST)),
            "x.ova!web.cert:2: warning: certificate is signed by itself: nobody vouches for it",
        ),
        (
            certified(cert(MANIFEST, signer("A", by=authority(), uses="key_encipherment"))),
            "x.ova!web.cert:2: warning: key is not meant for signatures"
            " (keyUsage is keyEncipherment)",
        ),
        (
            certified(TRUE_CERT + pem(signer("Stranger").certificate)),
            "x.ova!web.cert:2: warning: certificate does not vouch for the signer's: CN=Stranger",
        ),
        (
            certified(cert(MANIFEST, LED_ON) + pem(signer("Leaf").certificate)),
            "x.ova!web.cert:2: warning: issuer's certificate may not vouch for others: CN=Leaf",
        ),
    ],
    "CRT-005": [
        (
            certified(cert(MANIFEST, BY_ROOT, algorithm="SHA1")),
            "x.ova!web.cert:1: warning: signature is of SHA1, the manifest of SHA256",
        ),
        (
            certified(cert(MANIFEST, signer("Short", by=authority(), kind="rsa1024"))),
            "x.ova!web.cert:2: warning: key is too short to be safe (RSA, 1024 bits)",
        ),
    ],
    "CRT-006": [
        (
            certified(
                TRUE_CERT
                + b"\ntext\n"
                + pem(authority().certificate)
                + pem_block("PKCS7", b"")
                + pem_block("X509 CRL", b"")
            ),
            f"x.ova!web.cert:{LENGTH + 3}: info: holds another certificate,"
            " which most readers pass over\n"
            f"x.ova!web.cert:{LENGTH + LONGER + 3}: info: holds a CMS signature,"
            " which VirtualBox alone reads\n"
            f"x.ova!web.cert:{LENGTH + LONGER + 5}: info: holds a block that nobody reads"
            " (X509 CRL)\n"
            f"x.ova!web.cert:{LENGTH + 2}: info: holds text that is in no block",
        )
    ],
    "CRT-007": [
        (
            ova(web__ovf=EDITED, web__cert=TRUE_CERT),
            "x.ova!web.ovf: warning: descriptor was changed after the package was signed",
        )
    ],
    "REF-004": [
        (
            ova(disk__vmdk=None),
            "x.ova!web.ovf:3: error: names a file that is not in the package ('disk.vmdk')",
        )
    ],
    "REF-006": [
        (
            ova(disk__vmdk=b"1"),
            f"x.ova!web.ovf:3: error: ovf:size is {len(DISK)}, but the file has 1 bytes",
        ),
    ],
    "REF-008": [
        (
            archive({"web.ovf": with_disk("d", 'ovf:compression="gzip"').encode(), "d": DISK}),
            "x.ova!web.ovf:3: error: file is not compressed, which ovf:compression does not say",
        ),
        (
            archive({"web.ovf": with_disk("d").encode(), "d": gzip.compress(DISK)}),
            "x.ova!web.ovf:3: error: file is compressed with gzip,"
            " which ovf:compression does not say",
        ),
        (
            with_href("d", 'ovf:compression="rar"'),
            "x.ova!web.ovf:3: error: ovf:compression is unknown ('rar')",
        ),
    ],
    "REF-011": [
        (chunked(10, 9, 3), "x.ova!disk.vmdk.000000001: error: chunk has 9 bytes, not 10"),
        (chunked(10, 11), "x.ova!disk.vmdk.000000001: error: chunk has 11 bytes, not 10"),
        (
            with_href("d", 'ovf:chunkSize="0"'),
            "x.ova!web.ovf:3: error: ovf:chunkSize is zero",
        ),
    ],
}
CASES |= DISK_CASES


@pytest.mark.parametrize(
    ("identifier", "number"),
    [(rule, n) for rule, cases in CASES.items() for n in range(len(cases))],
)
def test_broken_packages_are_found_in_these_words(
    identifier: str, number: int, tmp_path: Path
) -> None:
    [rule] = [rule for rule in all_rules() if rule.id == identifier]
    build, expected = CASES[identifier][number]
    assert (
        lines(rule, Package.open(build(tmp_path), tolerant=True), tmp_path) == expected.splitlines()
    )


def test_a_whole_signed_package_breaks_no_rule_but_for_its_newer_digests(tmp_path: Path) -> None:
    found = validate(Package.open(pack(tmp_path / "x.ova", SIGNED)))
    assert [finding.rule for finding in found] == ["MAN-003"]


def test_manifest_and_certificate_may_come_last(tmp_path: Path) -> None:
    members = {**WHOLE, "web.mf": SIGNED["web.mf"], "web.cert": TRUE_CERT}
    found = validate(Package.open(pack(tmp_path / "x.ova", members)))
    assert [finding.rule for finding in found] == ["MAN-003"]


def test_every_rule_has_its_examples() -> None:
    on_disk = {folder.name for folder in RULES.iterdir()}
    assert on_disk | CASES.keys() == {rule.id for rule in all_rules()}


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_every_rule_explains_itself(rule: Rule) -> None:
    first = rule.explanation.partition("\n\n")[0]
    assert first.endswith(".")
    assert rule.fix.endswith(".")
    assert rule.clause


def test_an_older_spelling_is_told_once(tmp_path: Path) -> None:
    good = (RULES / "VHS-007/good.ovf").read_text()
    path = tmp_path / "older.ovf"
    path.write_text(good.replace("vssd:InstanceID>", "vssd:InstanceId>"))
    found = validate(Package.open(path), descriptor_only=True)
    assert [finding.rule for finding in found if "Instance" in finding.message] == ["EXT-001"]


def test_the_command_prints_findings_with_places_and_hints(tmp_path: Path) -> None:
    path = ova(readme=b"1", web__mf=manifest(WHOLE, "SHA1"))(tmp_path)
    shown = CliRunner().invoke(command, [str(path)])
    assert shown.exit_code == 0
    assert shown.stdout.replace(f"{tmp_path}/", "") == (
        "x.ova!readme\n"
        "  info: is referred to by nothing [PKG-005]\n"
        "      hint: Leave the file out, or refer to it from the References.\n"
        "\n"
        "x.ova!web.mf\n"
        "  warning: file is not in the manifest ('readme') [MAN-006]\n"
        "      hint: Write the manifest again, as `rehost ovf pack --digest sha256` does.\n"
        "\n"
        "0 errors, 1 warning, 1 remark\n"
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--fail-on", "warning"], 1),
        (["--fail-on", "info"], 1),
        (["--fail-on", "never"], 0),
        (["--descriptor-only", "--fail-on", "info"], 0),
    ],
)
def test_the_exit_code_follows_the_threshold(tmp_path: Path, options: list[str], code: int) -> None:
    path = ova(readme=b"1")(tmp_path)
    assert CliRunner().invoke(command, [str(path), *options]).exit_code == code


def test_errors_fail_unless_never(tmp_path: Path) -> None:
    path = ova(disk__vmdk=b"1")(tmp_path)
    assert CliRunner().invoke(command, [str(path)]).exit_code == 1
    assert CliRunner().invoke(command, [str(path), "--fail-on", "never"]).exit_code == 0


def test_a_package_that_cannot_be_opened_raises(tmp_path: Path) -> None:
    shown = CliRunner().invoke(command, [str(tmp_path / "none.ova")])
    assert isinstance(shown.exception, UsageError)
