"""The options of a new VDI."""

from __future__ import annotations

from converters.disks.options import Option

SUBFORMAT = Option("subformat", ("dynamic", "fixed"), "whether the file grows with its content")
