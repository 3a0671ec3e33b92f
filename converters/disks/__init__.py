"""Disk images: where their bytes lie, and how to move them."""
