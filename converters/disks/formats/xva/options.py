"""The options of a new XVA."""

from __future__ import annotations

from converters.disks.options import Option

CHECKSUM = Option("checksum", ("sha1", "xxhash"), "sha1 is read by all, xxhash since XenServer 8.1")
