"""Tests of properties and environment documents."""
