"""The rules, one module per group of clauses of DSP0243."""
