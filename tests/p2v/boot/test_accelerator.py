"""An accelerator counts if it runs a guest; what merely can be opened does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from converters import qemu_probe
from converters.qemu_command import Accelerator
from p2v.boot import accelerator as chooser
from p2v.boot.accelerator import accelerator, kvm_runs, runs
from rehost.errors import EnvironmentFailureError

pytestmark = pytest.mark.qemu


@pytest.fixture(autouse=True)
def _fresh() -> None:
    kvm_runs.cache_clear()


def test_the_translator_runs_the_probe() -> None:
    assert runs(Accelerator.TCG)


def test_the_answer_about_kvm_comes_in_time() -> None:
    begun = time.monotonic()
    chosen = accelerator(None)
    assert time.monotonic() - begun < qemu_probe.SECONDS + 3
    assert chosen is (Accelerator.KVM if kvm_runs() else Accelerator.TCG)


def test_a_guest_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_probe, "CODE", b"\xf4\xeb\xfd")
    monkeypatch.setattr(qemu_probe, "SECONDS", 1)
    begun = time.monotonic()
    assert not runs(Accelerator.TCG)
    assert time.monotonic() - begun < 4


def test_kvm_that_is_wished_for_and_does_not_run_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chooser, "KVM", tmp_path / "kvm")
    with pytest.raises(EnvironmentFailureError) as failed:
        accelerator(Accelerator.KVM)
    assert str(failed.value) == f"{tmp_path}/kvm: KVM runs no guest here"
    assert failed.value.hint == "Pass --accel tcg, which is slow and works everywhere."


def test_without_kvm_the_translator_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chooser, "KVM", tmp_path / "kvm")
    assert accelerator(None) is Accelerator.TCG


def test_a_computer_without_qemu_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailureError) as failed:
        accelerator(Accelerator.TCG)
    assert str(failed.value) == "qemu-system-x86_64 is not installed"
    assert failed.value.hint == "Install it: apt-get install qemu-system-x86"
