"""The ground floor: what every part of rehost stands on, and nothing that knows a format."""

__version__ = "0.1.0"
