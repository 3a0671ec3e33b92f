"""Where new images go: files that appear together, and streams that cannot go back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from converters.disks.output import Output, Stream
from converters.disks.registry import Shape, format_named
from rehost.errors import UsageError


def streamed(*writes: tuple[int, bytes], size: int) -> bytes:
    reader, writer = os.pipe()
    stream = Stream(writer, "-")
    for offset, content in writes:
        stream.write(content, offset)
    stream.truncate(size)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read()


def test_a_file_is_written_and_read_at_any_offset(tmp_path: Path) -> None:
    with Output(tmp_path / "image") as output:
        output.write(b"behind", 10)
        output.writev([memoryview(b"ab"), memoryview(b""), memoryview(b"c")], 1)
        output.truncate(20)
        assert output.read(0, 20) == b"\0abc" + bytes(6) + b"behind" + bytes(4)


def test_more_buffers_than_the_kernel_takes_at_once_are_written(tmp_path: Path) -> None:
    buffers = [memoryview(bytes([number % 251])) for number in range(3000)]
    with Output(tmp_path / "image") as output:
        output.writev(buffers, 0)
    assert (tmp_path / "image").read_bytes() == b"".join(buffers)


def test_a_file_beside_lies_where_it_is_told(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with Output(tmp_path / "disk.vmdk") as plain:
        plain.beside("disk-flat.vmdk").write(b"1", 0)
    with Output(tmp_path / "x", "disk.vmdk", elsewhere=lambda name: other / name) as staged:
        staged.beside("disk-flat.vmdk").beside("more").write(b"2", 0)
    assert (tmp_path / "disk-flat.vmdk").read_bytes() == b"1"
    assert sorted(path.name for path in other.iterdir()) == ["disk-flat.vmdk", "more"]
    assert staged.name == "disk.vmdk"


def test_a_stream_is_padded_with_zeros() -> None:
    assert streamed((2, b"ab"), (4, b"c"), (7, b"d"), size=10) == b"\0\0abc\0\0d\0\0"


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (
            lambda stream: stream.write(b"x", 0),
            "-: this kind of image cannot be streamed, for it is written back and forth",
        ),
        (
            lambda stream: stream.read(0, 3),
            "-: this kind of image cannot be streamed (it reads 3 bytes at 0 again)",
        ),
        (
            lambda stream: stream.beside("data"),
            "-: the image needs a second file (data), which cannot be streamed",
        ),
    ],
)
def test_a_stream_cannot_go_back(attempt: object, words: str) -> None:
    reader, writer = os.pipe()
    stream = Stream(writer, "-")
    stream.write(b"abc", 0)
    assert callable(attempt)
    with pytest.raises(UsageError) as caught:
        attempt(stream)
    os.close(reader)
    os.close(writer)
    assert str(caught.value) == words
    assert caught.value.hint.startswith("Name a file as DEST, or choose ")


@pytest.mark.parametrize("name", ["vdi", "vhd", "vhdx"])
@pytest.mark.parametrize("kind", ["dynamic", "fixed"])
def test_what_goes_back_and_forth_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, kind: str
) -> None:
    create = format_named(name).create
    assert create is not None
    with (tmp_path / "stream").open("wb") as file:
        with pytest.raises(UsageError) as caught:
            create(Stream(file.fileno(), "standard output"), Shape(1 << 20, {"subformat": kind}))
        assert str(caught.value) == (
            "standard output: this kind of image cannot be streamed, "
            "for it is written back and forth"
        )
    assert (tmp_path / "stream").stat().st_size == 0


def test_what_an_earlier_run_wrote_is_not_cut_off_until_it_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"abcdef")
    with Output(path, keep=True) as output:
        output.truncate(3)
        assert output.read(0, 9) == b"abcdef"
        output.truncate(8)
        assert output.read(0, 9) == b"abcdef\0\0"
        output.go_on()
        output.truncate(3)
        assert output.read(0, 9) == b"abc"
    with Output(path) as output:
        assert output.read(0, 9) == b""
