"""The options of a new VHD."""

from __future__ import annotations

from converters.disks.options import Option

SUBFORMAT = Option("subformat", ("dynamic", "fixed"), "whether the file grows with its content")
BLOCK_SIZE = Option(
    "block_size", (str(2 << 20), str(512 << 10)), "bytes of a block of a dynamic disk"
)
BATMAP = Option("batmap", ("off", "on"), "a map of full blocks, as XenServer and XCP-ng keep it")
AZURE = Option("azure", ("off", "on"), "a fixed disk of whole MiB, as Azure takes it")
FORCE_SIZE = Option("force_size", ("on",), "the size is exact, and never one of a geometry")
OPTIONS = (SUBFORMAT, BLOCK_SIZE, BATMAP, AZURE, FORCE_SIZE)
