"""Booting a machine under QEMU, and judging whether it came up."""
