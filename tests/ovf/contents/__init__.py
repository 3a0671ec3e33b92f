"""Tests of looking into a package's files."""
