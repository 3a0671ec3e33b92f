"""Each parser is fuzzed for a short time; ``make fuzz`` does it for long."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest
from lxml import etree

from converters.disks.registry import RAW, formats
from tests.fuzz import __main__ as fuzz
from tests.fuzz import bounds, trees, values
from tests.fuzz.bounds import TooSlowError, bounded
from tests.fuzz.ready import Ready
from tests.fuzz.targets import TARGETS

SHORT = "1"
FAILED = sorted(path for path in fuzz.FAILED.rglob("*") if path.is_file())


def fuzzed(target: str, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.fuzz", target, "--seconds", SHORT, *options]
    return subprocess.run(
        argv, cwd=fuzz.ROOT, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_give_a_result_or_a_named_error(target: str) -> None:
    done = fuzzed(target, "--engine", "random")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    count = int(done.stdout.removeprefix(f"{target}: ").split()[0])
    assert done.stdout == f"{target}: {count} inputs, 0 failures\n"
    assert count > 0


def test_every_format_is_fuzzed() -> None:
    assert {known.name for known in formats()} - TARGETS.keys() == {RAW}


@pytest.mark.parametrize("path", FAILED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_failed_once_does_not_fail_again(tmp_path: Path, path: Path) -> None:
    ready = TARGETS[path.parent.name](tmp_path)
    with bounded():
        ready.attempt(path.read_bytes())


def test_a_changed_document_is_mostly_another_document() -> None:
    seeds = [b"<a b='1'><c>2</c><d/></a>", b"<e><f g='3'>4</f></e>"]
    found = {trees.changed(seeds[0], seeds, Random(number)) for number in range(200)}
    assert len(found) > 100
    assert sum(_is_xml(each) for each in found) > 0.8 * len(found)
    found = {values.changed(b'{"a": [1, {"b": "c"}]}', [b"x"], Random(n)) for n in range(200)}
    assert len(found) > 100
    assert sum(each.startswith((b"{", b"[")) for each in found) > 0.8 * len(found)


def _is_xml(content: bytes) -> bool:
    try:
        etree.fromstring(content)
    except etree.XMLSyntaxError:
        return False
    return True


def test_more_inputs_to_begin_with_are_taken_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "one").write_bytes(b"1")
    (tmp_path / "large").write_bytes(bytes(fuzz.LARGEST_SEED + 1))
    (tmp_path / "empty").touch()
    assert fuzz.more_seeds(tmp_path) == [b"1"]
    done = fuzzed("units", "--engine", "random", "--seeds", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(find_spec(fuzz.ATHERIS) is None, reason="atheris is not installed")
def test_atheris_finds_its_way_from_line_to_line() -> None:
    done = fuzzed("manifest")
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stderr.splitlines() if "NEW" in line or "REDUCE" in line]
    assert found


def test_an_input_that_takes_too_long_or_too_much_or_warns_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UserWarning, match="told to the user"), bounded():
        warnings.warn("told to the user", stacklevel=1)
    monkeypatch.setattr(bounds, "SECONDS", 0.2)
    with pytest.raises(TooSlowError, match=r"took longer than 0\.2 s"), bounded():
        while True:
            pass
    with pytest.raises(MemoryError), bounded():
        bytearray(2 * bounds.MEMORY)
    assert len(bytearray(2 * bounds.MEMORY)) == 2 * bounds.MEMORY


def test_an_input_that_fails_is_kept_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "ROOT", tmp_path)
    monkeypatch.setattr(fuzz, "FAILED", tmp_path / "fuzz")

    def attempt(content: bytes) -> None:
        if content != b"sound":
            raise ZeroDivisionError("never mind")

    assert fuzz.at_random("target", Ready([b"sound"], attempt), 0.2, 1) == 1
    [kept] = (tmp_path / "fuzz" / "target").iterdir()
    told = capsys.readouterr().out
    assert f"ZeroDivisionError: never mind\nsaved: fuzz/target/{kept.name}\ntarget: " in told
    assert told.endswith(" inputs, 1 failures\n")
