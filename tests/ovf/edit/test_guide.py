"""The example of ``docs/editing.md`` does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ovf.package import Package
from tests.ovf.builders import pack, signed_off
from tests.ovf.edit.appliances import DISK, WEB

GUIDE = Path(__file__).parents[3] / "docs" / "editing.md"


def test_the_example_runs(tmp_path: Path) -> None:
    pack(tmp_path / "web.ova", signed_off({"web.ovf": WEB.encode(), "disk.vmdk": DISK}))
    [example] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    argv = [sys.executable, "-c", example]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    said = Package.open(tmp_path / "new.ova").descriptor.content.decode()
    for text in (">4 virtual CPU(s)<", ">8192MB of memory<", ">storage<", 'ovf:value="8080"'):
        assert text in said
