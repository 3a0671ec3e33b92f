"""The options of a new VHDX."""

from __future__ import annotations

from converters.disks.options import Option

DYNAMIC, FIXED = "dynamic", "fixed"
SUBFORMAT = Option(
    "subformat", (DYNAMIC, FIXED), "whether room is given as it is needed or at once"
)
BLOCK_SIZE = Option(
    "block_size",
    ("0", *(str(1 << bits) for bits in range(20, 29))),
    "bytes of a block, 0 to follow from the disk's size",
)
LOGICAL_SECTOR = Option(
    "logical_sector_size", ("512", "4096"), "bytes of a sector as the guest sees it"
)
LOG_SIZE = Option("log_size", tuple(str(1 << bits) for bits in range(20, 26)), "bytes of the log")
ZERO_STATE = Option(
    "block_state_zero", ("off", "on"), "whether blocks of nothing are called zero, not absent"
)
OPTIONS = (SUBFORMAT, BLOCK_SIZE, LOGICAL_SECTOR, LOG_SIZE, ZERO_STATE)
