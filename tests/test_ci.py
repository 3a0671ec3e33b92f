"""What CI systems are given to run is run here, word by word, and is what their schemas ask for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from ruamel.yaml import YAML

from tests.ovf.builders import SCSI, descriptor
from tests.support.generated import ROOT

DISK = '<Disk ovf:diskId="d" ovf:capacity="x"/>'
GITHUB_BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
"""How GitHub runs a step whose shell is bash."""
START = "from rehost.console.main import main; main()"


def loaded(name: str) -> Any:
    return YAML(typ="safe").load(ROOT / name)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with a package without errors and one with one, in another folder."""
    (tmp_path / "good.ovf").write_text(descriptor(SCSI))
    (tmp_path / "deep er" / "in").mkdir(parents=True)
    (tmp_path / "deep er" / "in" / "bad.ovf").write_text(descriptor(SCSI, disks=DISK))
    return tmp_path


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment whose rehost is ours, and whose python says what it was called with."""
    commands = tmp_path_factory.mktemp("commands")
    rehost = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -c "{START}" "$@"\n'
    python = f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{commands}/called"\n'
    for name, script in (("rehost", rehost), ("python", python)):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if "REHOST" not in name}
    return kept | {"PATH": f"{commands}:{os.environ['PATH']}", "CALLED": f"{commands}/called"}


def step(name: str, inputs: dict[str, str], environment: dict[str, str]) -> tuple[str, Any]:
    """Return a step's script and its environment, expressions replaced as GitHub does."""
    action = loaded("action.yml")
    [found] = [each for each in action["runs"]["steps"] if each.get("name") == name]
    assert found["shell"] == "bash"
    assert "${{" not in found["run"]
    given = {key: str(entry.get("default", "")) for key, entry in action["inputs"].items()}
    values = {f"inputs.{key}": value for key, value in (given | inputs).items()}
    values["github.action_path"] = str(ROOT)
    said = {
        key: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: values[found[1]], value)
        for key, value in found["env"].items()
    }
    return found["run"], environment | said


def run_step(
    name: str, repository: Path, environment: dict[str, str], **inputs: str
) -> subprocess.CompletedProcess[str]:
    named = {key.replace("_", "-"): value for key, value in inputs.items()}
    script, variables = step(name, named, environment)
    (repository / "step.sh").write_text(script)
    return subprocess.run(
        [*GITHUB_BASH, "step.sh"],
        cwd=repository,
        env=variables | {"GITHUB_OUTPUT": str(repository / "outputs")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_action_annotates_and_writes_the_reports_it_promises(
    repository: Path, environment: dict[str, str]
) -> None:
    done = run_step("Judge the packages", repository, environment, packages="**/*.ovf\n")
    assert (done.returncode, done.stderr) == (1, "")
    [error] = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert error.startswith("::error file=deep er/in/bad.ovf,line=4,col=")
    lines = (repository / "outputs").read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    assert outputs.keys() == loaded("action.yml")["outputs"].keys()
    assert all((repository / file).is_file() for file in outputs.values())
    log = json.loads((repository / outputs["sarif"]).read_text())
    [result] = [each for each in log["runs"][0]["results"] if each["level"] == "error"]
    [location] = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "deep%20er/in/bad.ovf"
    suites: Any = JUnitXml.fromfile(str(repository / outputs["junit"]))
    assert suites.failures == 1


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"packages": "good.ovf"}, 0),
        ({"packages": "good.ovf\ndeep er/in/*.ovf"}, 1),
        ({"packages": "**/*.ovf", "fail_on": "never"}, 0),
        ({"packages": "**/*.ovf", "options": "--ignore=DSK\n--descriptor-only"}, 0),
        ({"packages": "**/*.ovf", "options": "--severity\nDSK=info"}, 0),
        ({"packages": "*.ova"}, 2),
        ({"packages": "$(touch owned)`touch owned`; touch owned"}, 2),
        ({"packages": "good.ovf", "options": "--nothing"}, 2),
        ({"packages": "good.ovf", "fail_on": "sometimes"}, 2),
    ],
)
def test_the_action_ends_as_it_should_and_runs_nothing_of_its_inputs(
    repository: Path, environment: dict[str, str], inputs: dict[str, str], code: int
) -> None:
    for _ in range(2):
        done = run_step("Judge the packages", repository, environment, **inputs)
        assert done.returncode == code, done.stdout + done.stderr
    assert not (repository / "owned").exists()
    if inputs["packages"] == "*.ova":
        assert done.stdout == "::error::no package fits *.ova\n"


def test_the_action_installs_what_it_came_with(
    repository: Path, environment: dict[str, str]
) -> None:
    assert run_step("Install rehost", repository, environment).returncode == 0
    called = Path(environment["CALLED"]).read_text().splitlines()
    assert called[:3] == ["-m", "pip", "install"]
    assert called[-1] == str(ROOT)
    assert (ROOT / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    ("hook", "files", "code"),
    [
        ("rehost-validate", ["good.ovf"], 0),
        ("rehost-validate", ["good.ovf", "deep er/in/bad.ovf"], 1),
        ("rehost-validate-descriptor", ["good.ovf"], 0),
        ("rehost-validate-descriptor", ["deep er/in/bad.ovf"], 1),
    ],
)
def test_the_hooks_judge_the_files_that_are_committed(
    repository: Path, environment: dict[str, str], hook: str, files: list[str], code: int
) -> None:
    [found] = [each for each in loaded(".pre-commit-hooks.yaml") if each["id"] == hook]
    assert all(re.search(found["files"], file) for file in files)
    assert not re.search(found["files"], "web.ovf.txt")
    assert found["language"] == "python"
    done = subprocess.run(
        [*found["entry"].split(), *files],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.splitlines()[-1].startswith(f"{code} error")


@pytest.mark.parametrize(("packages", "code"), [("*.ovf", 0), ("*.ovf deep*/in/*.ovf", 1)])
def test_the_job_for_gitlab_writes_the_reports_it_names(
    repository: Path, environment: dict[str, str], packages: str, code: int
) -> None:
    job = loaded("docs/ci/gitlab.yml")["rehost"]
    script = "\n".join(["set -eo pipefail", *job["script"]])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=repository,
        env=environment | job["variables"] | {"PACKAGES": packages},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert Path(environment["CALLED"]).read_text().splitlines()[-1] == "rehost"
    reports = job["artifacts"]["reports"]
    for name in (*reports.values(), *job["artifacts"]["paths"]):
        assert (repository / name).is_file()
    entries = json.loads((repository / reports["codequality"]).read_text())
    errors = [entry["location"]["path"] for entry in entries if entry["severity"] == "major"]
    assert errors == ["deep er/in/bad.ovf"] * code


@pytest.mark.parametrize(
    ("schema", "name"),
    [("vendor.github-actions", "action.yml"), ("vendor.gitlab-ci", "docs/ci/gitlab.yml")],
)
def test_the_files_are_what_the_schemas_of_their_readers_ask_for(schema: str, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shell_of_the_action_is_sound(tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not here")
    script, _ = step("Judge the packages", {}, {})
    (tmp_path / "step.sh").write_text(f"#!/bin/bash\n{script}")
    done = subprocess.run(
        [shellcheck, "--exclude=SC2206", str(tmp_path / "step.sh")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
