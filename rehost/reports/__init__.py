"""The forms a report can have: one module each, whose FORM it is, named like the module."""
