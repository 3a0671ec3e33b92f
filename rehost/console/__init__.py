"""The command line: the one place that prints, and the one place that exits."""
