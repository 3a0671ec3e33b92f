"""Side-by-side measurements against the tools people use today; figures are ratios."""
