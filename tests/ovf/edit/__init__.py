"""Editing packages."""
