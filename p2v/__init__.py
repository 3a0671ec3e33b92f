"""The physical side, and the proof: imaging machines, booting what was made."""
