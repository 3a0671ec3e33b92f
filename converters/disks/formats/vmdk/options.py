"""The options of a new VMDK, first of all which kind it is."""

from __future__ import annotations

from converters.disks.options import Option

STREAM = "streamOptimized"
SPARSE = "monolithicSparse"
SPLIT = "twoGbMaxExtentSparse"
WHOLE_FLAT = ("monolithicFlat", "vmfs")
FLAT = (*WHOLE_FLAT, "twoGbMaxExtentFlat")
REDO_LOG = "vmfsSparse"

SUBFORMAT = Option(
    "subformat",
    (STREAM, SPARSE, SPLIT, *FLAT, REDO_LOG),
    "kind of VMDK; of one that stores only differences, monolithicSparse",
)
ADAPTER_TYPE = Option(
    "adapter_type", ("lsilogic", "buslogic", "ide", "legacyESX"), "controller it is made for"
)
HARDWARE_VERSION = Option(
    "hwversion",
    ("4", "3", *(str(version) for version in range(6, 23))),
    "virtual hardware version it is made for",
)
GRAIN_SIZE = Option(
    "grain_size",
    ("65536", *(str(1 << bits) for bits in range(13, 21) if bits != 16)),
    "bytes that are stored or not stored together",
)
ZEROED_GRAIN = Option("zeroed_grain", ("off", "on"), "whether grains may be marked as zeros")
FOOTED = Option("footer", ("off", "on"), "whether a file ends like a stream, with a footer")

OPTIONS = (SUBFORMAT, ADAPTER_TYPE, HARDWARE_VERSION, GRAIN_SIZE, ZEROED_GRAIN, FOOTED)
