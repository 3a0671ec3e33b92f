"""Fuzzing: any bytes at all give a result or an InteropError, in bounded time and memory."""
