"""Tests of changing a descriptor in its own text."""
