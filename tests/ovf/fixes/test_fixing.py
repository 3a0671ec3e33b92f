"""``rehost validate --fix``: from a package to a mended one, on the command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from ovf.judging.validate import validate
from ovf.mending.mend import mend
from ovf.mending.rewriting import FORM
from ovf.package import Package
from rehost.errors import InteropError
from tests.ovf.builders import FIXTURES, pack, with_disk
from tests.support.corpus import CORPUS
from tests.support.packages import rehost

SIZE = 1 << 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a package whose descriptor comes last and states another size and capacity."""
    disk = tmp_path / "disk.vmdk"
    raw = tmp_path / "disk.raw"
    raw.write_bytes(b"guest" * 1000 + bytes(2 * SIZE - 5000))
    stream = ("-O", "vmdk", "-o", "subformat=streamOptimized")
    subprocess.run(["qemu-img", "convert", *stream, raw, disk], check=True)
    descriptor = with_disk("disk.vmdk", 'ovf:size="5"').encode()
    return pack(tmp_path / "web.ova", {"disk.vmdk": disk.read_bytes(), "web.ovf": descriptor})


def repairs(*argv: str | Path) -> tuple[int, list[str], list[str]]:
    done = rehost("validate", *argv, "--format", "json")
    document = json.loads(done.out)
    errors = [each["rule"] for each in document["findings"] if each["severity"] == "error"]
    return done.code, [each["what"] for each in document["sources"][0]["repairs"]], errors


def test_a_package_is_mended_and_judged_again(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    size, end = sizes(tmp_path / "disk.vmdk")
    code, said, errors = repairs(source, "--fix", tmp_path / "new.ova")
    assert said == [
        "written anew (first member is 'disk.vmdk', not the descriptor)",
        "Disk 'd' capacity: 65536 -> 2097152 bytes, as its file says",
        f"disk.vmdk: {size} -> {end} bytes, to its end-of-stream marker",
    ]
    assert (code, errors) == (0, [])
    assert source.read_bytes() == before
    listed = subprocess.run(["tar", "tf", tmp_path / "new.ova"], capture_output=True, check=True)
    assert listed.stdout.split() == [b"web.ovf", b"web.mf", b"disk.vmdk"]


def test_a_descriptor_is_mended_where_its_files_are_not_at_hand(tmp_path: Path) -> None:
    source, dest = tmp_path / "web.ovf", tmp_path / "new.ovf"
    text = with_disk("disk.vmdk").replace("byte * 2^20", "MegaBytes")
    source.write_text(text)
    (tmp_path / "web.mf").write_text("no manifest\n")
    done = rehost("validate", source, "--fix", dest, "--descriptor-only", "--select", "ITM,MAN")
    assert (done.code, done.out) == (
        0,
        f"mended\n  {source}:15: Item '2' AllocationUnits: MegaBytes -> byte * 2^20 [ITM-011]\n"
        "\n0 errors, 0 warnings, 0 remarks\n",
    )
    assert done.err == (
        f"note: {tmp_path}/web.mf: is left out, for no file was looked at\nwrote {dest}\n"
    )
    assert dest.read_text() == text.replace("MegaBytes", "byte * 2^20")
    done = rehost("validate", source, "--fix", tmp_path / "x.ova", "--descriptor-only")
    assert (done.code, done.err) == (
        2,
        f"error: {tmp_path}/x.ova: an archive is not written without its files\n"
        "hint: Write to an .ovf or a folder: -o DEST.ovf.\n",
    )


def test_mending_what_is_mended_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.ova", tmp_path / "second.ova"
    repairs(source, "--fix", first)
    assert repairs(first, "--fix", second)[1] == []
    assert digest(first) == digest(second)


def sizes(stream: Path) -> tuple[int, int]:
    """Return the size of a stream, and where its last sector that is not zero is followed."""
    content = stream.read_bytes()
    kept = len(content.rstrip(b"\0"))
    return len(content), -(-kept // 512) * 512 + 512


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_text_says_what_was_mended(source: Path, tmp_path: Path) -> None:
    size, end = sizes(tmp_path / "disk.vmdk")
    done = rehost("validate", source, "--fix", tmp_path / "new.ova", "--select", "REF")
    assert (done.code, done.out.replace(f"{tmp_path}/", "")) == (
        0,
        "mended\n"
        "  web.ova: written anew (first member is 'disk.vmdk', not the descriptor) [PKG-012]\n"
        "  web.ova!web.ovf:4: Disk 'd' capacity: 65536 -> 2097152 bytes, as its file says"
        " [DSK-013]\n"
        f"  web.ova!web.ovf: disk.vmdk: {size} -> {end} bytes, to its end-of-stream marker"
        " [DSK-014]\n"
        "\n0 errors, 0 warnings, 0 remarks\n",
    )


def test_a_dry_run_says_the_same_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    dest = tmp_path / "new.ova"
    planned = rehost("validate", source, "--fix", dest, "--dry-run")
    assert not dest.exists()
    done = rehost("validate", source, "--fix", dest)
    assert planned.code == done.code == 0
    assert planned.err == ""
    first, rest = planned.out.replace("would be mended", "mended").split("\n\n", 1)
    assert first == done.out.split("\n\n", 1)[0]
    assert rest == "0 errors, 0 warnings, 0 remarks\n"
    runs: tuple[tuple[str | Path, ...], ...] = (
        (),
        ("--fix", dest, "--dry-run"),
        ("--fix", dest, "--force"),
    )
    printed = (rehost("validate", source, "--format", "json", *more).out for more in runs)
    mending = [json.loads(each)["sources"][0]["mending"] for each in printed]
    assert mending == [None, "planned", "done"]


def test_a_dry_run_needs_no_files(tmp_path: Path) -> None:
    example = FIXTURES / "profiles" / "VMW-001" / "bad.ovf"
    options = ("--target", "vmware-esxi-8", "--fix", tmp_path / "x.ova", "--dry-run")
    done = rehost("validate", example, *options)
    assert done.out.startswith(
        "would be mended\n"
        f"  {example}:32: VirtualSystemType: virtualbox-2.2 -> vmx-13"
        " [VMW-001, vmware-esxi-8.0]\n\n"
        "would not be mended: REF-004\n"
    )
    assert (done.code, done.err) == (1, "")


def test_nothing_to_mend_is_said(source: Path, tmp_path: Path) -> None:
    rehost("validate", source, "--fix", tmp_path / "new.ova")
    for more in ("--dry-run", "--ignore=MAN-003"):
        done = rehost("validate", tmp_path / "new.ova", "--fix", tmp_path / "x.ova", more)
        assert done.out == ("nothing to mend without a guess\n\n0 errors, 0 warnings, 0 remarks\n")


def test_what_is_left_is_told_apart(source: Path, tmp_path: Path) -> None:
    done = rehost("validate", source, "--fix", tmp_path / "new.ova", "--select", "MAN-003")
    assert (
        done.out.replace(f"{tmp_path}/", "")
        .split("[DSK-014]\n\n")[1]
        .startswith(
            "not mended: MAN-003\n"
            "new.ova!web.mf\n"
            "  1:1: info: digests are SHA256, which OVF 1 does not know [MAN-003]\n"
        )
    )


@pytest.mark.parametrize(("target", "algorithm"), [("esxi-6.0", "SHA1"), ("esxi-6.5", "SHA256")])
def test_the_manifest_is_one_the_release_reads(
    source: Path, tmp_path: Path, target: str, algorithm: str
) -> None:
    first, again = tmp_path / "first.ova", tmp_path / "again.ova"
    options = ("--target", target, "--fail-on", "never")
    rehost("validate", source, "--fix", first, *options)
    rehost("validate", first, "--fix", again, *options)
    argv = ("tar", "xOf", again, "web.mf")
    listed = subprocess.run(argv, capture_output=True, check=True, text=True).stdout
    assert {line.partition("(")[0] for line in listed.splitlines()} == {algorithm}
    assert digest(first) == digest(again)


def test_whatever_is_wrong_with_archive_and_manifest_is_written_anew(
    source: Path, tmp_path: Path
) -> None:
    """A foreign digest is said aloud: the file may be damaged."""
    disk = (tmp_path / "disk.vmdk").read_bytes()
    text = with_disk("disk.vmdk").replace('"65536"', f'"{2 * SIZE}"').encode()
    lines = f"sha256(disk.vmdk) = {'0' * 64}\r\nSHA2-256(other.mf)= {'A' * 64}\r\n".encode()
    members = {"disk.vmdk": disk, "other.mf": lines, "web.ovf": text}
    broken = pack(tmp_path / "broken.ova", members, form=tarfile.PAX_FORMAT)
    dest = tmp_path / "whole.ova"
    done = rehost("validate", broken, "--fix", dest)
    lines_told = done.out.split("\n\n")[0].splitlines()[1:]
    told = {line.rpartition("[")[2].rstrip("]") for line in lines_told}
    assert {"PKG-003", "PKG-012", "MAN-004", "MAN-008", "MAN-009", "MAN-010", "MAN-012"} <= told
    assert f"note: {broken}: files are not those its manifest is of" in done.err
    found = rehost("validate", dest, "--format", "json")
    left = {each["rule"] for each in json.loads(found.out)["findings"]}
    assert not left & told
    assert not left & FORM


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            ("{source}", "--fix", "{source}"),
            "error: {source}: would replace the package that is mended\n"
            "hint: Name another DEST; move it afterwards.\n",
        ),
        (
            ("{folder}/plain", "--fix", "{folder}/plain", "--force"),
            "error: {folder}/plain: would replace the package that is mended\n"
            "hint: Name another DEST; move it afterwards.\n",
        ),
        (
            ("{folder}/plain/web.ovf", "--fix", "{folder}/plain", "--force"),
            "error: {folder}/plain: would replace the package that is mended\n"
            "hint: Name another DEST; move it afterwards.\n",
        ),
        (
            ("{source}", "--dry-run"),
            "error: --dry-run says what --fix would do\n"
            "hint: Name the package to write: --fix DEST.\n",
        ),
        (
            ("{source}", "{folder}", "--fix", "{folder}/new.ova"),
            "error: --fix mends one package at a time (2 are named)\nhint: Run it once for each.\n",
        ),
        (
            ("{source}", "--fix", "{folder}/disk.vmdk.ova"),
            "error: {folder}/disk.vmdk.ova: exists already\n"
            "hint: Name another output, or pass --force to replace it.\n",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(
    source: Path, tmp_path: Path, more: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "disk.vmdk.ova").write_bytes(b"")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "web.ovf").write_text(with_disk())
    names = {"source": source, "folder": tmp_path}
    done = rehost("validate", *(each.format(**names) for each in more))
    assert (done.code, done.out, done.err) == (done.code, "", expected.format(**names))
    assert done.code in {2, 6}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_real_descriptors_are_mended_once_and_for_all() -> None:
    """No mending leaves a rule broken that was not, but for what was hidden.

    That is what a namespace hid, or a dialect, in which no names are unknown and no schema holds.
    """
    hidden = {"EXT-005", "OEN-008"}
    of_dialects = {"ENV-007", "EXT-001"}
    mended = 0
    for path in sorted((CORPUS / "ovf").rglob("*.ovf")):
        try:
            package = Package.open(path)
            done = mend(package)
        except InteropError:
            continue
        now = package.described_by(done.draft.content)
        assert mend(now).repairs == (), path
        unseen = hidden if package.envelope.dialect is None else hidden | of_dialects
        assert rules(now) <= rules(package) | unseen, path
        mended += bool(done.repairs)
    assert mended > 100


def rules(package: Package) -> set[str]:
    return {finding.rule for finding in validate(package, descriptor_only=True)}


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_cannot_be_mended_is_reported_too(tmp_path: Path, more: tuple[str, ...]) -> None:
    source = tmp_path / "web.ovf"
    source.write_text("no XML")
    plain = json.loads(rehost("validate", source, "--format", "json").out)
    done = rehost("validate", source, "--fix", tmp_path / "new.ovf", *more, "--format", "json")
    document = json.loads(done.out)
    assert done.code == 3
    assert document["sources"][0]["source"] == str(source)
    assert document["sources"][0]["failure"] == plain["sources"][0]["failure"]
    assert not (tmp_path / "new.ovf").exists()


def test_a_package_that_cannot_be_written_is_reported_too(source: Path, tmp_path: Path) -> None:
    dest = tmp_path / "new.ova"
    dest.write_text("mine")
    done = rehost("validate", source, "--fix", dest, "--format", "json")
    assert done.code == 6
    assert json.loads(done.out)["sources"][0]["failure"]["where"] == str(dest)
    assert dest.read_text() == "mine"
