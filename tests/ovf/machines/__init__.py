"""Tests of reading machines from virtual hardware."""
