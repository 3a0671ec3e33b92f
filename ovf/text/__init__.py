"""A descriptor's own text, changed here and there and otherwise kept byte for byte."""
