"""What is fuzzed of the files that a user writes or keeps: settings, properties, descriptions."""

from __future__ import annotations

from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from ovf.edit.create import created, created_collection, ids_of
from ovf.edit.draft import Draft
from ovf.edit.machines import put_machine
from ovf.edit.settings import pairs_of
from ovf.machines.hardware import read_machines
from ovf.writing.described import described_machines
from ovf.writing.write import Member, held
from rehost.console.main import run
from rehost.console.output import json_text
from tests.fuzz.attempts import Attempt, refusal
from tests.fuzz.documents import package_of
from tests.ovf.builders import with_disk
from tests.ovf.edit.appliances import WEB

LARGEST_CODE = 7
SETTINGS = [
    b'verbose = 1\n[validate]\nfail-on = "never"\ntarget = ["aws"]\nselect = "ITM"\ndeep = false\n',
    b'[validate]\nseverity = ["ITM=info"]\n[[validate.suppress]]\nrules = ["ITM"]\nreason = "x"\n',
    b'[ovf.set]\nname = "x"\ncpus = 4\n[ovf.environment]\ntimezone = 60\nproperty = ["a=b"]\n',
    b'[validate]\nbaseline = "base.json"\noutput = ["json=x"]\nschemas = 1979-05-27\n"a b" = inf\n',
]


def settings(folder: Path) -> Attempt:
    """Return an attempt at rehost.toml: run a command where it lies."""
    (folder / "web.ovf").write_text(with_disk(), encoding="utf-8")

    def attempt(content: bytes) -> None:
        (folder / "rehost.toml").write_bytes(content)
        with chdir(folder), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            code = run(["ovf", "show", "web.ovf"])
            assert 0 <= code <= LARGEST_CODE, code
            code = run(["validate", "web.ovf", "--dry-run", "--fix", "new.ovf"])
            assert 0 <= code <= LARGEST_CODE, code

    return attempt


def pairs(folder: Path) -> Attempt:
    """Return an attempt at a file of properties."""

    def attempt(content: bytes) -> None:
        path = folder / "properties"
        path.write_bytes(content)
        with refusal():
            assert all(key == key.strip() for key, _ in pairs_of(path))

    return attempt


def machines() -> list[bytes]:
    """Return descriptions of machines, as ``inspect`` prints them."""
    made = []
    for content in (with_disk(), WEB):
        [(machine, _)] = read_machines(package_of(content.encode()))
        subject = {"kind": "package", "path": "web.ova", "machines": [{"machine": machine}]}
        made.append(json_text(subject).encode())
    return made


def anew(folder: Path) -> Attempt:
    """Return an attempt at a description: make a package of it, which is one that can be read."""

    def member(name: str) -> Member:
        return held(f"{len(name)}.img", bytes(1024))

    def attempt(content: bytes) -> None:
        path = folder / "machine.json"
        path.write_bytes(content)
        with refusal():
            every = described_machines((path, path), ())
            for version in "12":
                with refusal():
                    draft: Draft = created(every[0].machine.name, version)
                    put_machine(draft, every[0].machine, member)
                    draft.settle()
                    read_machines(package_of(draft.content))
                with refusal():
                    names = [each.machine.name for each in every]
                    draft = created_collection("all", names, version)
                    for each, identifier in zip(every, ids_of(names), strict=True):
                        put_machine(draft, each.machine, member, identifier)
                    read_machines(package_of(draft.content))

    return attempt
