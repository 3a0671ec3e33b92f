"""Judging OVF packages: rehost against xmllint with the DMTF's schema, COT, and sha256sum.

``python -m benchmarks.ovf [--json FILE]``, with ``REHOST_CORPUS`` naming a folder of real packages
and the DMTF's schemas, as the tests have it. COT is installed into ``.cache/cot`` unless ``--cot``
names its command. All but the reading of disks is pinned to one processor.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from itertools import cycle, islice
from pathlib import Path

from benchmarks.measure import Comparison, Contestant, as_json, compare, program, table
from benchmarks.ova import DESCRIPTOR, DISK_SIZE, build
from ovf.package import Package
from rehost.errors import InteropError

COUNT = 1000
COT = Path(".cache/cot")
COT_NEEDS = ("cot==2.2.1", "setuptools<70")
SCHEMA = "schemas/ovf-1.1.0/local/dsp8023_1.1.0.xsd"
INVALID = frozenset((0, 3, 4))
REHOST = str(Path(sys.executable).with_name("rehost"))
VALIDATE = (REHOST, "-q", "validate", "--fail-on", "never")


def descriptors(corpus: Path, folder: Path) -> list[str]:
    """Copy ``COUNT`` descriptors of the corpus that can be parsed, each to a folder of its own."""
    found = [path for path in sorted((corpus / "ovf").rglob("*.ovf")) if _is_parsed(path)]
    copies = []
    for number, path in enumerate(islice(cycle(found), COUNT)):
        copy = folder / str(number) / "x.ovf"
        copy.parent.mkdir()
        shutil.copyfile(path, copy)
        copies.append(str(copy))
    return copies


def cot(named: Path | None) -> str:
    """Return COT's command, installing it where there is none."""
    command = named or COT / "bin" / "cot"
    if not command.exists():
        venv.create(COT, with_pip=True)
        subprocess.run([str(COT / "bin" / "pip"), "install", "-q", *COT_NEEDS], check=True)
    return str(command.absolute())


def many(corpus: Path, folder: Path) -> Comparison:
    """Judge descriptors of the corpus in one process."""
    files = descriptors(corpus, folder)
    report = folder / "report.json"
    ours = (*VALIDATE, "--format", "json", "-o", str(report), "--force", *files)
    theirs = (*_xmllint(corpus), *files)
    return compare(
        f"judge {COUNT} descriptors in one process, one core; peer: xmllint --schema",
        Contestant("rehost", (_pinned(*ours),)),
        Contestant("xmllint", (_pinned(*theirs),), codes=INVALID),
        clean=lambda: report.unlink(missing_ok=True),
    )


def one(corpus: Path, folder: Path, peer: str) -> list[Comparison]:
    """Judge a small descriptor, from nothing."""
    path = folder / "bench.ovf"
    path.write_text(DESCRIPTOR.format(size=DISK_SIZE))
    ours = Contestant("rehost", (_pinned(*VALIDATE, str(path)),))
    xmllint = Contestant("xmllint", (_pinned(*_xmllint(corpus), str(path)),), codes=INVALID)
    info = Contestant("cot", (_pinned(peer, "info", str(path)),))
    return [
        compare(f"judge one small descriptor; peer: {name}", ours, theirs, clean=lambda: None)
        for name, theirs in (("xmllint --schema", xmllint), ("cot info", info))
    ]


def disks(folder: Path) -> list[Comparison]:
    """Read a whole OVA: digests of its files, every block of its disk, what the guest sees."""
    ova = build(folder)
    raw, disk = folder / "disk.raw", folder / "disk.vmdk"
    ours = Contestant("rehost", ((*VALIDATE, "--deep", str(ova)),))
    digest = Contestant("sha256sum", ((program("sha256sum"), str(ova)),))
    unpacked = Contestant(
        "sha256sum and qemu-img",
        (
            (program("sha256sum"), str(ova)),
            (program("qemu-img"), "convert", "-O", "raw", str(disk), str(raw)),
        ),
    )
    return [
        compare(work, ours, theirs, clean=lambda: raw.unlink(missing_ok=True))
        for work, theirs in (
            ("validate --deep of an OVA; peer: sha256sum of it", digest),
            ("the same; peer: sha256sum, then qemu-img to raw", unpacked),
        )
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    parser.add_argument("--cot", type=Path, help="the command of COT 2.2.1")
    chosen = parser.parse_args()
    corpus = Path(os.environ.get("REHOST_CORPUS", "../shared/corpus"))
    if not (corpus / SCHEMA).exists():
        raise SystemExit(f"set REHOST_CORPUS to a folder that has {SCHEMA} (is {corpus})")
    peer = cot(chosen.cot)
    with tempfile.TemporaryDirectory(prefix="rehost-bench-") as name:
        folder = Path(name)
        comparisons = [many(corpus, folder), *one(corpus, folder, peer), *disks(folder)]
    print(table(comparisons))
    if chosen.json:
        chosen.json.write_text(as_json(comparisons))


def _is_parsed(path: Path) -> bool:
    try:
        return Package.open(path).written.is_envelope
    except InteropError:
        return False


def _pinned(*command: str) -> tuple[str, ...]:
    return (program("taskset"), "-c", "0", *command)


def _xmllint(corpus: Path) -> tuple[str, ...]:
    return (program("xmllint"), "--noout", "--nonet", "--schema", str(corpus / SCHEMA))


if __name__ == "__main__":
    main()
