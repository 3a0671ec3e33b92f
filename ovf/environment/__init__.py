"""Properties, and the document that tells a guest their values (DSP0243 clauses 9.5 and 11)."""
