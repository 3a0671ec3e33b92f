"""Programs that are not ours, asked what disk they find in an image: libyal's and 7-Zip."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

LONGEST = 240.0
PYTHON = "/usr/bin/python3"
SCRIPT = """
import json, sys
def opened(kind, path):
    if kind == "vhdi":
        import pyvhdi
        file = pyvhdi.file(); file.open(path); return file
    if kind == "qcow":
        import pyqcow
        file = pyqcow.file(); file.open(path); return file
    import pyvmdk
    handle = pyvmdk.handle(); handle.open(path); handle.open_extent_data_files(); return handle
for kind, path, expected in json.load(sys.stdin):
    try:
        disk = opened(kind, path)
        with open(expected, "rb") as file:
            plain = file.read()
        size = disk.get_media_size()
        said = "" if size == len(plain) else f"the size is {size}, not {len(plain)}"
        for at in range(0, 0 if said else size, 1000448):
            part = disk.read_buffer_at_offset(min(1000448, size - at), at)
            if part != plain[at : at + 1000448]:
                said = f"differs between {at} and {at + 1000448}"
                break
        disk.close()
    except (IOError, MemoryError) as error:
        said = f"cannot be read ({error})"
    print(json.dumps(said))
"""


def has_libyal() -> bool:
    """Say whether Debian's bindings to libyal's libraries are there."""
    argv = [PYTHON, "-c", "import pyvhdi, pyqcow, pyvmdk"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def libyal_says(images: Sequence[tuple[str, Path, Path]]) -> list[str]:
    """Return what libyal finds wrong with images, nothing mostly: (library, image, raw disk)."""
    asked = json.dumps([(kind, str(path), str(plain)) for kind, path, plain in images])
    argv = [PYTHON, "-c", SCRIPT]
    done = subprocess.run(
        argv, input=asked, capture_output=True, text=True, check=False, timeout=LONGEST
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def seven_zip_says(kind: str, path: Path, plain: Path) -> str:
    """Return what 7-Zip finds wrong with an image, nothing mostly."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        argv = ["7zz", "x", "-y", f"-t{kind}", f"-o{folder}", str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LONGEST)
        if done.returncode:
            return (
                f"7-Zip cannot read it ({done.stdout.strip()[-300:]}{done.stderr.strip()[-300:]})"
            )
        (found,) = Path(folder).iterdir()
        same = found.read_bytes() == plain.read_bytes()
    return "" if same else "7-Zip reads something else"
