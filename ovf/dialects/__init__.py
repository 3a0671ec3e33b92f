"""The dialects that descriptors were written in before and beside the standard, one a module."""
