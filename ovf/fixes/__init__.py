"""The fixes, one module per group of clauses of DSP0243."""
