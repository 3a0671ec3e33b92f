"""oVirt's dialect in the names of OVF 1.x."""
