"""Tests of signing and verifying packages."""
