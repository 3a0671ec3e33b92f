"""A descriptor in another version of OVF, and what is lost on the way."""
