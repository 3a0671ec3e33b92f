"""Mending packages: what a fix is, the rounds of judging and mending, the package that results."""
