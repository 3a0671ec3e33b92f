"""Tests of writing packages."""
