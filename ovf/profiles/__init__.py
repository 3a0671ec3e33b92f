"""The importers, one module each, whose PROFILE says what it accepts."""
