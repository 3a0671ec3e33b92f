"""Packages written: a descriptor and its files, into an archive or into a folder."""
