"""Manifests: every spelling in use, and digests computed while something else goes on."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovf.judging.judge import Judge
from ovf.judging.validate import validate
from ovf.manifest import Verification, parse_manifest
from ovf.package import Package
from rehost.errors import DamagedInputError, InteropError, TransferError
from rehost.report import Finding, Location, Severity
from rehost.selection import Selection
from tests.ovf.builders import beside, manifest, pack, said, signed_off, with_disk
from tests.ovf.contents.disk_cases import stream

DISK = bytes(range(256)) * 256
HEX = {"SHA1": "a1" * 20, "SHA256": "b2" * 32, "SHA384": "c3" * 48, "SHA512": "d4" * 64}
GRAMMAR = "A line is 'SHA256(name)= digest', with SHA1, SHA256, SHA384 or SHA512."
FETCH = "The file was changed or damaged on its way; fetch it again."
WHITE_SPACE = "MAN-008 x.mf:1: white space is not as in 'SHA256(name)= digest'"


def told(findings: tuple[Finding, ...] | list[Finding]) -> list[str]:
    return [f"{finding.rule} {finding.location}: {finding.message}" for finding in findings]


@pytest.mark.parametrize("algorithm", HEX)
def test_the_standard_spelling_is_read_without_remark(algorithm: str) -> None:
    found = parse_manifest(f"{algorithm}(a (1).vmdk)= {HEX[algorithm]}\n".encode(), "x.mf")
    [entry] = found.entries
    assert (entry.algorithm, entry.name, entry.digest) == (algorithm, "a (1).vmdk", HEX[algorithm])
    assert found.findings == ()


B2 = HEX["SHA256"]
SPELLINGS = {
    f"SHA256 (a) = {B2}\n": [WHITE_SPACE],
    f"SHA256(a)={B2}\n": [WHITE_SPACE],
    f"SHA256(a)= {B2}\r\n": ["MAN-010 x.mf:1: lines end in CR LF, not LF"],
    f"SHA256(a)= {B2}\r\r\n": ["MAN-010 x.mf:1: lines end in CR LF, not LF"],
    f"SHA256(a)= {B2}\r": ["MAN-010 x.mf:1: lines end in CR, not LF"],
    f"SHA256(a)= {B2.upper()}\n": ["MAN-007 x.mf:1: digest is in upper case"],
    f"SHA2-256(a)= {B2}\n": ["MAN-009 x.mf:1: algorithm is spelled 'SHA2-256'"],
    f"SHA-256(a)= {B2}\n": ["MAN-009 x.mf:1: algorithm is spelled 'SHA-256'"],
    f"sha256(a)= {B2}\n": ["MAN-009 x.mf:1: algorithm is spelled 'sha256'"],
    f"\ufeffSHA256(a)= {B2}\n": ["MAN-010 x.mf:1: begins with a byte order mark"],
    f"\nSHA256(a)= {B2}\n": ["MAN-010 x.mf:1: line is blank"],
    f"SHA256(a)= {B2}": [],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_odd_spelling_is_read_and_told(spelling: str) -> None:
    found = parse_manifest(spelling.encode(), "x.mf")
    assert [(entry.algorithm, entry.name, entry.digest) for entry in found.entries] == [
        ("SHA256", "a", HEX["SHA256"])
    ]
    assert told(found.findings) == SPELLINGS[spelling]


UNREADABLE = {
    "SHA256(a)= \n": ("manifest line cannot be read ('SHA256(a)=')", GRAMMAR),
    "SHA256 a b2b2\n": ("manifest line cannot be read ('SHA256 a b2b2')", GRAMMAR),
    "MD5(a)= b2b2\n": ("manifest line cannot be read ('MD5(a)= b2b2')", GRAMMAR),
    "SHA256(a)= xyz\n": ("manifest line cannot be read ('SHA256(a)= xyz')", GRAMMAR),
    "SHA256(a)= b2b2\n": (
        "SHA256 digest is of the wrong length (has 4 digits, should have 64)",
        "",
    ),
}


@pytest.mark.parametrize("line", UNREADABLE)
def test_a_line_that_leaves_doubt_is_an_error_with_its_number(line: str) -> None:
    good = f"SHA1(b)= {HEX['SHA1']}\n"
    with pytest.raises(DamagedInputError) as caught:
        parse_manifest((good + line).encode(), "x.ova!web.mf")
    what, hint = UNREADABLE[line]
    error = caught.value
    assert (str(error), error.hint, error.exit_code) == (f"x.ova!web.mf:2: {what}", hint, 3)


def test_a_tolerant_reading_tells_of_every_line_and_reads_the_others() -> None:
    text = f"# ours\nSHA1(b)= {HEX['SHA1']}\n{B2}  a\nSHA256(c)= b2b2\n"
    found = parse_manifest(text.encode(), "x.mf", tolerant=True)
    assert [entry.name for entry in found.entries] == ["b"]
    assert told(found.findings) == [
        "MAN-001 x.mf:1: manifest line cannot be read ('# ours')",
        f"MAN-001 x.mf:3: manifest line cannot be read ('{B2} a')",
        "MAN-001 x.mf:4: SHA256 digest is of the wrong length (has 4 digits, should have 64)",
    ]
    assert found.unread == f"# ours\n{B2}  a\nSHA256(c)= b2b2"


@pytest.mark.parametrize("tolerant", [False, True])
def test_a_manifest_of_too_many_lines_is_refused_however_they_read(tolerant: bool) -> None:
    for line in (b"\n", f"SHA1(b)= {HEX['SHA1']}\n".encode()):
        assert parse_manifest(line * 20_000, "x.mf", tolerant=tolerant).findings is not None
        with pytest.raises(DamagedInputError) as caught:
            parse_manifest(line * 20_001, "x.mf", tolerant=tolerant)
        assert str(caught.value) == "x.mf:20001: has more than 20000 lines"


def archive(folder: Path, members: dict[str, bytes]) -> Package:
    return Package.open(pack(folder / "x.ova", members))


def whole(folder: Path) -> dict[str, bytes]:
    return signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": DISK})


def verify(package: Package) -> list[Finding]:
    verification = Verification(package)
    verification.start()
    return verification.finish()


@pytest.mark.parametrize("algorithm", HEX)
def test_digests_that_agree_leave_nothing_to_say(tmp_path: Path, algorithm: str) -> None:
    files = {"web.ovf": with_disk().encode(), "disk.vmdk": DISK}
    listing = {"web.mf": manifest(files, algorithm)}
    assert verify(archive(tmp_path, {"web.ovf": files["web.ovf"], **listing, **files})) == []


def test_a_digest_that_differs_names_the_file_and_both_digests(tmp_path: Path) -> None:
    members = whole(tmp_path)
    members["disk.vmdk"] = DISK[:-1] + b"!"
    is_so = hashlib.sha256(members["disk.vmdk"]).hexdigest()
    should = hashlib.sha256(DISK).hexdigest()
    with pytest.raises(TransferError) as caught:
        verify(archive(tmp_path, members))
    assert said(caught.value, tmp_path) == (
        "x.ova!disk.vmdk: SHA256 digest differs from the manifest"
        f" (is {is_so}, should be {should})",
        FETCH,
        7,
    )


def test_digests_are_over_chunks_as_they_are_stored(tmp_path: Path) -> None:
    chunks = {f"disk.vmdk.{n:09}": DISK[n * 40000 : (n + 1) * 40000] for n in range(2)}
    text = with_disk("disk.vmdk", 'ovf:chunkSize="40000"').encode()
    assert verify(archive(tmp_path, signed_off({"web.ovf": text, **chunks}))) == []


def test_a_referenced_file_the_manifest_leaves_out_is_an_error(tmp_path: Path) -> None:
    members = whole(tmp_path)
    members["web.mf"] = manifest({"web.ovf": members["web.ovf"]})
    findings = verify(archive(tmp_path, members))
    expected = "MAN-005 x.ova!web.ovf:3: referenced file is not in the manifest ('disk.vmdk')"
    assert [line.replace(f"{tmp_path}/", "") for line in told(findings)] == [expected]
    assert [finding.severity.name for finding in findings] == ["ERROR"]


def test_a_listed_file_the_package_lacks_is_an_error(tmp_path: Path) -> None:
    members = whole(tmp_path)
    members["web.mf"] += f"SHA1(gone.iso)= {HEX['SHA1']}\n".encode()
    findings = verify(archive(tmp_path, members))
    expected = "MAN-013 x.ova!web.mf:3: manifest lists a file that is not in the package"
    assert [line.replace(f"{tmp_path}/", "") for line in told(findings)] == [
        f"{expected} ('gone.iso')"
    ]
    assert [finding.severity.name for finding in findings] == ["ERROR"]


def test_a_percent_encoded_name_is_one_mistake(tmp_path: Path) -> None:
    text = with_disk("my%20disk.vmdk").encode()
    listing = manifest({"web.ovf": text, "my%20disk.vmdk": DISK})
    members = {"web.ovf": text, "web.mf": listing, "my disk.vmdk": DISK}
    assert [
        line.replace(f"{tmp_path}/", "") for line in told(verify(archive(tmp_path, members)))
    ] == [
        "MAN-013 x.ova!web.mf:2: manifest lists 'my disk.vmdk' percent-encoded ('my%20disk.vmdk')"
    ]


def test_what_else_is_unlisted_or_listed_oddly_is_a_warning(tmp_path: Path) -> None:
    members = whole(tmp_path)
    line = manifest({"disk.vmdk": DISK})
    members["web.mf"] = line + line + f"SHA1(web.mf)= {HEX['SHA1']}\n".encode()
    members["readme"] = b"1"
    with pytest.raises(TransferError):
        verify(archive(tmp_path, members))
    members["web.mf"] = line + line
    findings = verify(archive(tmp_path, members))
    assert [line.replace(f"{tmp_path}/", "") for line in told(findings)] == [
        "MAN-006 x.ova!web.mf: descriptor is not in the manifest ('web.ovf')",
        "MAN-006 x.ova!web.mf: file is not in the manifest ('readme')",
        "MAN-011 x.ova!web.mf:2: file is listed again ('disk.vmdk', first in line 1)",
    ]
    assert {finding.severity.name for finding in findings} == {"WARNING"}


def test_a_manifest_beside_a_descriptor_is_verified_too(tmp_path: Path) -> None:
    files = {"web.ovf": with_disk().encode(), "disk.vmdk": DISK}
    package = beside(tmp_path, with_disk(), {**files, "web.mf": manifest(files)})
    assert verify(package) == []
    (tmp_path / "disk.vmdk").write_bytes(b"")
    with pytest.raises(TransferError):
        verify(package)


def test_a_package_without_a_manifest_is_told_to_be_unchecked(tmp_path: Path) -> None:
    remark = "the package has no manifest, so nothing was checked against digests"
    for package in (
        beside(tmp_path, with_disk(), {"disk.vmdk": DISK}),
        archive(tmp_path, {"web.ovf": with_disk().encode(), "disk.vmdk": DISK}),
    ):
        at = Location(str(package.path))
        assert verify(package) == [Finding("MAN-000", Severity.INFO, remark, at)]


@pytest.mark.parametrize("name", ["web.MF", "other.Mf"])
def test_a_manifest_is_known_by_its_suffix_in_any_case(tmp_path: Path, name: str) -> None:
    files = {"web.ovf": with_disk().encode(), "disk.vmdk": DISK}
    package = archive(tmp_path, {**files, name: manifest({**files, "disk.vmdk": b"else"})})
    assert package.manifest_name == name
    with pytest.raises(TransferError):
        verify(package)


def test_beside_its_files_a_manifest_in_capitals_is_found(tmp_path: Path) -> None:
    listing = {"web.MF": manifest({"disk.vmdk": b"else"}), "web.CERT": b""}
    package = beside(tmp_path, with_disk(), {"disk.vmdk": DISK, **listing})
    assert (package.manifest_name, package.certificate_name) == ("web.MF", "web.CERT")


def test_of_several_manifests_the_one_named_after_the_descriptor_counts(tmp_path: Path) -> None:
    files = {"web.ovf": with_disk().encode(), "disk.vmdk": DISK}
    package = archive(tmp_path, {**files, "a.mf": b"", "web.MF": manifest(files)})
    assert package.manifest_name == "web.MF"


def test_several_manifests_of_other_names_are_refused(tmp_path: Path) -> None:
    files = {"web.ovf": with_disk().encode(), "x.mf": b"", "y.mf": b"", "disk.vmdk": stream(65536)}
    package = archive(tmp_path, files)
    what = "holds 2 manifests, none of them named after the descriptor (x.mf, y.mf)"
    with pytest.raises(DamagedInputError) as caught:
        Verification(package)
    hint = "Keep the one that is this package's, named like the descriptor."
    assert said(caught.value, tmp_path) == (f"x.ova: {what}", hint, 3)
    told_by_rules = [
        f"{found.rule} {found.location}: {found.message}".replace(f"{tmp_path}/", "")
        for found in validate(package)
    ]
    assert told_by_rules == [
        f"MAN-001 x.ova: {what}",
        "REF-007 x.ova!web.ovf:3: File 'f' has no ovf:size",
        "PKG-003 x.ova!x.mf: is not named after 'web.ovf'",
        "PKG-002 x.ova!y.mf: is a manifest beside 'x.mf'",
        "PKG-003 x.ova!y.mf: is not named after 'web.ovf'",
    ]


def test_a_package_in_a_folder_of_its_archive_is_verified_under_whole_names(
    tmp_path: Path,
) -> None:
    files = {"web.ovf": with_disk("a%20b.vmdk").encode(), "a b.vmdk": stream(65536)}
    members = {f"sub/{name}": content for name, content in signed_off(files).items()}
    package = archive(tmp_path, members)
    assert verify(package) == []
    assert [found.rule for found in validate(package)] == ["MAN-003", "REF-007"]
    package = archive(tmp_path, {**members, "sub/a b.vmdk": b"else", "sub/readme": b"", "top": b""})
    with pytest.raises(TransferError) as caught:
        verify(package)
    assert caught.value.where == f"{tmp_path}/x.ova!sub/a b.vmdk"
    assert told(Verification(package).findings) == [
        f"MAN-006 {tmp_path}/x.ova!sub/web.mf: file is not in the manifest ('sub/readme')",
        f"MAN-006 {tmp_path}/x.ova!sub/web.mf: file is not in the manifest ('top')",
    ]


def test_what_macos_adds_to_an_archive_is_no_part_of_the_package(tmp_path: Path) -> None:
    files = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": stream(65536)})
    junk = {f"._{name}": b"\0\5\x16\7" for name in files} | {"sub/._more.ovf": b"", "._x.mf": b""}
    package = archive(tmp_path, files | junk)
    assert verify(package) == []
    assert package.names() == tuple(files)
    assert [found.rule for found in validate(package)] == ["MAN-003", "REF-007"]


def judged(package: Package) -> list[str]:
    return told([found for found in validate(package) if found.severity is not Severity.INFO])


def test_one_unreadable_line_hides_no_other_damage(tmp_path: Path) -> None:
    files = {"web.ovf": with_disk().encode(), "disk.vmdk": stream(65536)}
    wrong = hashlib.sha256(b"").hexdigest()
    is_now = hashlib.sha256(files["disk.vmdk"]).hexdigest()
    listing = f"# ours\n{wrong}  web.ovf\nSHA256(disk.vmdk)= {wrong}\n".encode()
    package = beside(tmp_path, files["web.ovf"].decode(), {**files, "web.mf": listing})
    assert judged(package) == [
        f"MAN-004 {tmp_path}/disk.vmdk: SHA256 digest differs from the manifest"
        f" (is {is_now}, should be {wrong})",
        f"MAN-001 {tmp_path}/web.mf:1: manifest line cannot be read ('# ours')",
        f"MAN-001 {tmp_path}/web.mf:2: manifest line cannot be read ('{wrong} web.ovf')",
    ]


def test_names_outside_the_package_are_findings_and_no_end_of_judging(tmp_path: Path) -> None:
    text = with_disk("../disk.vmdk")
    digest = hashlib.sha256(text.encode()).hexdigest()
    listing = f"SHA256(/build/web.ovf)= {digest}\nSHA256(../disk.vmdk)= {B2}\n".encode()
    (tmp_path / "in").mkdir()
    (tmp_path / "disk.vmdk").write_bytes(stream(65536))
    package = beside(tmp_path / "in", text, {"web.mf": listing})
    at = tmp_path / "in"
    assert judged(package) == [
        f"MAN-006 {at}/web.mf: descriptor is not in the manifest ('web.ovf')",
        f"MAN-013 {at}/web.mf:1: manifest lists a file that is not in the package"
        " ('/build/web.ovf')",
        f"MAN-013 {at}/web.mf:2: manifest lists a file that is not in the package ('../disk.vmdk')",
        f"PKG-024 {at}/web.ovf:3: ovf:href leads out of the package ('../disk.vmdk')",
    ]


@pytest.mark.parametrize("deep", [False, True])
def test_a_link_keeps_nobody_from_judging_the_rest(tmp_path: Path, *, deep: bool) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "disk.vmdk").write_bytes(stream(65536))
    beside(tmp_path / "in", with_disk(), {"web.mf": f"SHA256(disk.vmdk)= {B2}\n".encode()})
    (tmp_path / "in" / "disk.vmdk").symlink_to("../disk.vmdk")
    at = tmp_path / "in"
    subject, error = Judge(Selection(frozenset(["MAN"])), deep=deep).judge(at / "web.ovf")
    assert error is None
    assert [f"{each.place}: {each.finding.message}" for each in subject.judged] == [
        f"{at}/web.mf: descriptor is not in the manifest ('web.ovf')",
        f"{at}/web.mf:1:1: digests are SHA256, which OVF 1 does not know",
        f"{at}/web.mf:1:8: names a symbolic link ('disk.vmdk')",
    ]


def test_cancelling_ends_the_thread_in_the_middle_of_a_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk.vmdk"
    with disk.open("wb") as file:
        file.truncate(40 << 30)
    text = with_disk()
    listing = f"SHA256(disk.vmdk)= {HEX['SHA256']}\n".encode()
    package = beside(tmp_path, text, {"web.mf": listing})
    before = threading.active_count()
    started = time.monotonic()
    with Verification(package):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert time.monotonic() - started < 5


def test_an_error_in_the_thread_reaches_the_caller(tmp_path: Path) -> None:
    package = beside(tmp_path, with_disk(), {"disk.vmdk": DISK, "web.mf": b""})
    (tmp_path / "web.mf").write_bytes(manifest({"disk.vmdk": DISK}))
    verification = Verification(package)
    (tmp_path / "disk.vmdk").unlink()
    (tmp_path / "disk.vmdk").symlink_to("/etc/passwd")
    verification.start()
    with pytest.raises(InteropError) as caught:
        verification.finish()
    assert said(caught.value, tmp_path) == (
        "web.mf:1: names a symbolic link ('disk.vmdk')",
        "Replace the link by the file it stands for, if you trust it.",
        6,
    )


@given(st.binary(max_size=600))
def test_any_bytes_are_a_manifest_or_an_error(content: bytes) -> None:
    try:
        parse_manifest(content, "x.mf")
    except InteropError as error:
        assert str(error).isprintable()


@given(st.text(alphabet="SHA1256(a)= b2-\r\n\ufeff)=", max_size=300))
def test_anything_like_a_manifest_is_one_or_an_error(text: str) -> None:
    try:
        parse_manifest(text.encode(), "x.mf")
    except InteropError as error:
        assert str(error).isprintable()
