"""Opening a Parallels disk: by its descriptor, or an image that is a disk by itself."""

from __future__ import annotations

from converters.disks.formats.parallels import is_descriptor
from converters.disks.formats.parallels.descriptor import LARGEST, Descriptor
from converters.disks.formats.parallels.disk import ParallelsDisk, open_described
from converters.disks.formats.parallels.expanding import Expanding
from converters.disks.gate import Gate
from rehost.files import File, read_all


def open_parallels(file: File, gate: Gate) -> Expanding | ParallelsDisk:
    """Open the disk that a file describes or holds."""
    if is_descriptor(file):
        descriptor = Descriptor.parse(read_all(file, LARGEST), file.name)
        return open_described(descriptor, gate, by=file.name)
    return Expanding(file)
