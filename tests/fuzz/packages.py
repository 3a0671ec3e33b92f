"""What is fuzzed of packages: descriptors, judged and reported in every form, and baselines."""

from __future__ import annotations

from pathlib import Path

from ovf.judging.judge import Judge
from ovf.judging.profile import profiles
from ovf.mending.output import mended
from ovf.package import Package
from ovf.signing.verify import verify
from rehost.acceptance import Baseline, baseline_text
from rehost.errors import InteropError
from rehost.form import form_named, form_names
from rehost.judgement import Judged, Judgement
from rehost.progress import SILENT
from rehost.report import Finding, Location, Severity
from rehost.selection import Selection
from tests.fuzz.attempts import Attempt, refusal
from tests.fuzz.parts import NOW, SIGNED
from tests.ovf.builders import pack, with_disk
from tests.ovf.environment.media import medium
from tests.ovf.signing.signers import authority, cert

FIXTURES = Path(__file__).parent.parent / "fixtures" / "ovf" / "rules"
REMARK = b"<!-- rehost: ignore DSK, ITM-001 why -->"
TARGETS = tuple(next(profile.targets()) for profile in profiles())


def descriptor_seeds() -> list[bytes]:
    """Return descriptors that break rules, in several encodings, and one that accepts that.

    Two are none: an environment document, and an envelope in an unknown namespace.
    """
    broken = ("ITM-001", "DSK-004", "CNT-003", "I18-001", "ENV-002")
    seeds = [(FIXTURES / rule / "bad.ovf").read_bytes() for rule in broken]
    seeds.append((FIXTURES / "OEN-004" / "bad.xml").read_bytes())
    plain = seeds[0].decode()
    remarked = seeds[0].replace(b"?>", b"?>" + REMARK).replace(b"<Disk ", REMARK + b"<Disk ")
    return [*seeds, remarked, plain.replace("UTF-8", "UTF-16").encode("utf-16")]


def media(folder: Path) -> list[bytes]:
    """Return images with an environment document on them, its name spelled in three ways."""
    document = (FIXTURES / "OEN-001" / "good.xml").read_bytes()
    spellings: tuple[dict[str, object], ...] = ({}, {"joliet": 3}, {"rock_ridge": "1.09"})
    return [
        medium(folder / "seed.iso", {"ovf-env.xml": document}, **names).read_bytes()
        for names in spellings
    ]


def judge_medium(folder: Path) -> Attempt:
    """Return an attempt at an image: find the environment document on it and judge that."""

    def attempt(content: bytes) -> None:
        path = folder / "env.iso"
        path.write_bytes(content)
        Judge(Selection()).judge(path)

    return attempt


def archives(folder: Path) -> list[bytes]:
    """Return archives: a signed package whose descriptor breaks a rule, and one with chunks."""
    packed = pack(folder / "seed.ova", {**SIGNED, "web.cert": cert(SIGNED["web.mf"])}).read_bytes()
    chunks = {"disk.vmdk.000000000": b"di", "disk.vmdk.000000001": b"sk"}
    text = with_disk(more='ovf:chunkSize="2" ovf:size="4"').encode()
    parted = pack(folder / "seed.ova", {"web.ovf": text, **chunks}).read_bytes()
    return [each.rstrip(b"\0") + bytes(1024) for each in (packed, parted)]


def judge_archive(folder: Path) -> Attempt:
    """Return an attempt at an archive: judge all of it, plan its mending, and verify it."""

    def attempt(content: bytes) -> None:
        path = folder / "web.ova"
        path.write_bytes(content)
        Judge(Selection(), deep=True).judge(path)
        Judge(Selection(), targets=TARGETS).judge(path)
        with refusal():
            done = mended(path, folder / "new.ova", (), SILENT)
            done.draft.parcel()
        with refusal():
            verify(Package.open(path), [authority().certificate], NOW)

    return attempt


def environments() -> list[bytes]:
    """Return environment documents, good and bad."""
    found = sorted(FIXTURES.glob("OEN-*/*.xml"))
    return [path.read_bytes() for path in found]


def judge_environment(folder: Path) -> Attempt:
    """Return an attempt at an environment document: judge it against its package, and alone."""
    package = FIXTURES / "OEN-004" / "package.ovf"

    def attempt(content: bytes) -> None:
        path = folder / "ovf-env.xml"
        path.write_bytes(content)
        Judge(Selection()).judge(path)
        with refusal():
            Judge(Selection(), described=package).judge(path)

    return attempt


def judge(folder: Path) -> Attempt:
    """Return an attempt at a descriptor: judge it, by importers too, and report in every form."""

    def attempt(content: bytes) -> None:
        path = folder / "web.ovf"
        path.write_bytes(content)
        for targets in ((), TARGETS):
            judge = Judge(Selection(), descriptor_only=True, targets=targets)
            subject, _ = judge.judge(path)
            judgement = Judgement("0", (subject,), judge.laws(), Severity.ERROR)
            for name in form_names():
                form_named(name).render(judgement).encode()

    return attempt


def baseline_seed() -> bytes:
    """Return a baseline of one finding."""
    found = Finding("DSK-001", Severity.ERROR, "is wrong", Location("a.ovf", 3))
    return baseline_text([Judged(found, "0" * 64)]).encode()


def baseline(folder: Path) -> Attempt:
    """Return an attempt at a baseline."""

    def attempt(content: bytes) -> None:
        path = folder / "base.json"
        path.write_bytes(content)
        try:
            Baseline.read(path).accept("0" * 64)
        except InteropError as error:
            assert error.exit_code == 2, error

    return attempt
