"""ISO 9660 images, made by pycdlib."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pycdlib


def medium(path: Path, files: dict[str, bytes], **names: Any) -> Path:
    """Write an image of files in its root directory, with pycdlib's kinds of long ``names``."""
    image = pycdlib.PyCdlib()
    image.new(**names)
    for name, content in files.items():
        plain = name.upper().replace("-", "_")
        long: dict[str, Any] = {}
        if "joliet" in names:
            long["joliet_path"] = f"/{name}"
        if "rock_ridge" in names:
            long["rr_name"] = name
        image.add_fp(io.BytesIO(content), len(content), f"/{plain};1", **long)
    image.write(str(path))
    image.close()
    return path
