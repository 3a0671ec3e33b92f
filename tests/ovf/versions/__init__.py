"""Tests of versions and dialects."""
