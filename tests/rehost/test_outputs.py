"""Results appear whole or not at all, whatever happens to the run that makes them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.errors import EnvironmentFailureError, InteropError, RefusedError
from rehost.outputs import LOCK, STAGING, Staging, staged, writing
from tests.support.images import MIB

SECONDS = 60

WRITER = """
import sys, time
from pathlib import Path
from rehost.outputs import staged
with staged(Path(sys.argv[1])) as path:
    path.write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def half_done(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Start a run that stays in the middle of writing ``out/disk.raw``."""
    path = tmp_path / "out" / "disk.raw"
    run = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    yield path, run
    run.kill()
    run.wait()
    run.stdout.close()


def test_files_come_together_under_their_final_names(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with Staging(out, "web") as staging:
        staging.path("disk.raw").write_bytes(b"disk")
        staging.path("web.xml").write_bytes(b"xml")
        assert names(out) == [f"{STAGING}-web"]
        staging.commit()
    assert names(out) == ["disk.raw", "web.xml"]
    assert (out / "disk.raw").read_bytes() == b"disk"


def test_leaving_without_commit_leaves_nothing_not_even_folders(tmp_path: Path) -> None:
    with Staging(tmp_path / "a" / "b", "web") as staging:
        staging.path("disk.raw").write_bytes(b"disk")
    assert names(tmp_path) == []
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "c" / "disk.raw") as path:
        path.write_bytes(b"half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with Staging(tmp_path / "out", "web") as staging:
        staging.path("disk.raw").touch()
    assert names(tmp_path / "out") == []


def test_a_result_that_exists_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"old")
    with pytest.raises(RefusedError) as caught, staged(path):
        pass
    assert str(caught.value) == f"{path}: exists already"
    assert caught.value.hint == "Name another output, or pass --force to replace it."
    assert caught.value.exit_code == 6
    assert (names(tmp_path), path.read_bytes()) == (["disk.raw"], b"old")
    with staged(path, force=True) as new:
        new.write_bytes(b"new")
    assert (names(tmp_path), path.read_bytes()) == (["disk.raw"], b"new")


def test_the_longest_name_a_file_can_have_is_no_problem(tmp_path: Path) -> None:
    for name in ("x" * 255, "ä" * 127):
        with staged(tmp_path / name) as path:
            path.write_bytes(b"x")
        assert (tmp_path / name).read_bytes() == b"x"
    path = tmp_path / ("y" * 256)
    with pytest.raises(EnvironmentFailureError) as caught, staged(path) as new, writing(path):
        new.write_bytes(b"x")
    assert str(caught.value) == f"{path}: cannot be written (File name too long)"


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RefusedError), staged(tmp_path / "disk.raw"):
        pass


def test_a_result_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with pytest.raises(RefusedError) as caught, staged(path) as new:
        new.write_bytes(b"ours")
        path.write_bytes(b"somebody else's")
    assert str(caught.value) == f"{path}: exists already"
    assert (names(tmp_path), path.read_bytes()) == (["disk.raw"], b"somebody else's")


@pytest.mark.parametrize("name", ["", ".", "..", "a//b", "a/../b", "/etc/x", "a/", LOCK])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RefusedError) as caught, Staging(tmp_path, "web") as staging:
        staging.path(name)
    assert str(caught.value) == f"{tmp_path}: is no name for an output ({name!r})"


def test_a_name_may_have_folders_in_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Staging(out, "web") as staging:
        staging.path("a/b/disk.raw").write_bytes(b"disk")
        assert names(out) == [f"{STAGING}-web"]
        staging.commit()
    assert (names(out), (out / "a" / "b" / "disk.raw").read_bytes()) == (["a"], b"disk")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError) as caught, Staging(tmp_path, "web") as staging:
        staging.path("a/disk.raw")
    assert str(caught.value) == (
        f"{tmp_path}/a: is a symbolic link, through which nothing is written"
    )
    assert caught.value.hint == "Remove the link, or name another output."


def test_folders_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    left = tmp_path / f"{STAGING}-web" / "a"
    left.mkdir(parents=True)
    (left / "disk.raw").write_bytes(b"half")
    with Staging(tmp_path, "web") as staging:
        staging.path("b").write_bytes(b"b")
        staging.commit()
    assert names(tmp_path) == ["b"]


def test_a_killed_run_leaves_no_result_and_the_next_one_cleans_up(
    half_done: tuple[Path, subprocess.Popen[str]],
) -> None:
    path, run = half_done
    run.send_signal(signal.SIGKILL)
    run.wait()
    staging = f"{STAGING}-disk.raw"
    assert names(path.parent) == [staging]
    assert (path.parent / staging / "disk.raw").read_bytes() == b"half"
    with staged(path) as new:
        assert names(path.parent / staging) == [LOCK]
        new.write_bytes(b"whole")
    assert (names(path.parent), path.read_bytes()) == (["disk.raw"], b"whole")


def test_a_second_run_at_the_same_place_is_refused_and_harms_nothing(
    half_done: tuple[Path, subprocess.Popen[str]],
) -> None:
    path, _ = half_done
    with pytest.raises(RefusedError) as caught, staged(path):
        pass
    assert str(caught.value) == f"{path.parent}: another run is writing here"
    assert (caught.value.hint, caught.value.exit_code) == ("Wait until it ends.", 6)
    assert (path.parent / f"{STAGING}-disk.raw" / "disk.raw").read_bytes() == b"half"
    with staged(path.with_name("other.raw")) as other:
        other.touch()


RACER = """
import sys
from pathlib import Path
from rehost.errors import RefusedError
from rehost.outputs import staged
made = 0
for number in range(150):
    try:
        with staged(Path(sys.argv[1]), force=True) as path:
            path.write_bytes(sys.argv[2].encode() * 1000)
        made += 1
    except RefusedError:
        pass
print(made)
"""


def test_runs_that_race_for_one_place_never_trip_over_each_other(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path), letter],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for letter in "abc"
    ]
    ends = [run.communicate(timeout=50) for run in runs]
    assert [(run.returncode, said) for run, (_, said) in zip(runs, ends, strict=True)] == [
        (0, "")
    ] * 3
    assert sum(int(made) for made, _ in ends) > 0
    assert names(tmp_path) == ["disk.raw"]
    assert path.read_text() in {letter * 1000 for letter in "abc"}


def test_a_commit_without_all_files_gives_an_error_and_no_result(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailureError) as caught, Staging(tmp_path, "web") as staging:
        staging.path("first.raw").touch()
        staging.path("second.raw")
        staging.commit()
    assert str(caught.value) == f"{tmp_path}: cannot be written (No such file or directory)"
    assert names(tmp_path) == []


def test_a_folder_in_the_way_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").mkdir()
    with (
        pytest.raises(EnvironmentFailureError) as caught,
        staged(tmp_path / "disk.raw", force=True) as path,
    ):
        path.touch()
    assert str(caught.value) == f"{tmp_path}/disk.raw: cannot be written (Is a directory)"
    assert names(tmp_path) == ["disk.raw"]


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(EnvironmentFailureError) as caught, staged(tmp_path / "out" / "disk.raw"):
        pass
    assert str(caught.value) == f"{tmp_path / 'out'}: cannot be written (File exists)"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of one MiB."""
    place = tmp_path / "full"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    argv = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if subprocess.run(argv, check=False, timeout=20, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True, timeout=20)


@pytest.mark.root
def test_a_full_disk_is_named_and_nothing_stays(full_disk: Path) -> None:
    path = full_disk / "disk.raw"
    with pytest.raises(EnvironmentFailureError) as caught, staged(path) as new, writing(path):
        new.write_bytes(b"x" * 3 * MIB)
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
    assert caught.value.hint == (
        "Free some space, or write to another disk; nothing was left behind."
    )
    assert caught.value.exit_code == 5
    assert names(full_disk) == []


CONVERTED = """
import sys
from pathlib import Path
from rehost.errors import InteropError
from rehost.outputs import staged
from tests.support.images import opened, ours
try:
    with staged(Path(sys.argv[2])) as path:
        ours(opened(Path(sys.argv[1])), path, sys.argv[3])
except InteropError as error:
    print(error.what, error.hint, error.exit_code, sep="|")
"""


@pytest.mark.parametrize("target", ["raw", "qcow2"])
@pytest.mark.root
def test_a_conversion_onto_a_full_disk_is_an_error_not_a_short_image(
    full_disk: Path, tmp_path: Path, target: str
) -> None:
    source = tmp_path / "source.raw"
    source.write_bytes(os.urandom(2 * MIB))
    argv = [sys.executable, "-c", CONVERTED, str(source), str(full_disk / "out"), target]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=50)
    hint = "Free some space, or write to another disk; nothing was left behind."
    assert done.stdout == f"cannot be written (No space left on device)|{hint}|5\n"
    assert names(full_disk) == []


@pytest.mark.parametrize("target", ["raw", "qcow2"])
def test_a_limit_on_file_sizes_is_an_error(tmp_path: Path, target: str) -> None:
    source = tmp_path / "source.raw"
    source.write_bytes(os.urandom(2 * MIB))
    argv = [sys.executable, "-c", CONVERTED, str(source), str(tmp_path / "out"), target]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB)),
    )
    assert done.stdout == "cannot be written (File too large)||5\n"
    assert names(tmp_path) == ["source.raw"]


def test_writing_lets_errors_of_ours_through(tmp_path: Path) -> None:
    with pytest.raises(InteropError) as caught, writing(tmp_path):
        raise RefusedError("no")
    assert str(caught.value) == "no"
