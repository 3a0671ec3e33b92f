"""Mending packages."""
