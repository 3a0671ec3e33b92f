"""The commands below ``rehost ovf``: one module each, whose COMMAND it is."""
