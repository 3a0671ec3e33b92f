"""Files and functions stay small enough to be read whole."""

from __future__ import annotations

import ast

from tests.architecture.source import EVERYTHING, ROOT, files

LONGEST_FILE = 600
LONGEST_FUNCTION = 60


def test_no_file_is_longer_than_600_lines() -> None:
    long = []
    for path in files(*EVERYTHING):
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > LONGEST_FILE:
            long.append(f"{path.relative_to(ROOT)}: {count} lines")
    assert long == []


def test_no_function_is_longer_than_60_lines() -> None:
    long = []
    for path in files(*EVERYTHING):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > LONGEST_FUNCTION:
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    long.append(f"{place}: {node.name} has {count} lines")
    assert long == []
