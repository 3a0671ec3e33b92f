"""Imports run one way, and what stands side by side in a folder does not know its neighbours."""

from __future__ import annotations

import pytest

from tests.architecture.source import PACKAGES, Import, below, files, imports, module_name

LAYERS = {
    "rehost": (),
    "ovf": ("rehost",),
    "converters.disks": ("rehost",),
    "converters.configs": ("rehost", "ovf", "converters.disks"),
    "converters": ("rehost", "ovf", "converters.disks", "converters.configs"),
    "p2v": ("rehost", "ovf", "converters.disks", "converters.configs", "converters"),
}
FOLDERS = ("formats", "targets", "rules", "profiles", "steps", "reports", "commands")
OURS = (*PACKAGES, "tests", "benchmarks")


def layer_of(name: str) -> str:
    """Return the layer a module belongs to: the longest that holds it."""
    return max((layer for layer in LAYERS if below(name, layer)), key=len)


def ours(each: Import) -> bool:
    return each.of.split(".")[0] in OURS


def unit_of(name: str) -> tuple[str, str] | None:
    """Return (folder, member) for a module in a folder of things that stand side by side."""
    parts = name.split(".")
    for number, part in enumerate(parts[:-1]):
        if part in FOLDERS and number:
            return ".".join(parts[: number + 1]), parts[number + 1]
    return None


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_itself_and_what_lies_below(layer: str) -> None:
    allowed = (layer, *LAYERS[layer])
    wrong = [
        each
        for each in imports(layer.replace(".", "/"))
        if layer_of(each.by) == layer and ours(each) and not _allowed(each, allowed)
    ]
    assert [str(each) for each in wrong] == []


def _allowed(each: Import, allowed: tuple[str, ...]) -> bool:
    return each.of.split(".")[0] in PACKAGES and layer_of(each.of) in allowed


def test_what_stands_side_by_side_imports_no_sibling() -> None:
    wrong = []
    for each in imports(*PACKAGES):
        mine, theirs = unit_of(each.by), unit_of(each.of)
        if mine and theirs and mine[0] == theirs[0] and mine[1] != theirs[1]:
            wrong.append(str(each))
    assert wrong == []


def test_the_folders_that_are_watched_exist() -> None:
    watched = {unit[0] for path in files(*PACKAGES) if (unit := unit_of(module_name(path)))}
    assert {"converters.disks.formats", "converters.targets", "rehost.reports"} <= watched


def test_the_schemas_hold_no_code() -> None:
    assert files("schemas") == []


def test_no_module_of_a_package_imports_tests_or_benchmarks() -> None:
    assert [str(each) for each in imports(*PACKAGES) if each.of.split(".")[0] in OURS[4:]] == []
