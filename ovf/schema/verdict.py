"""Judging a descriptor by its schema: rehost's own, or the DMTF's where a folder of them is named.

Spec: DSP8023 (the envelope), by way of ``schemas/ovf``. A schema is compiled once. A descriptor
that is valid as it stands costs one pass of lxml; for others a mended copy is judged again, and
again without each element that should not be where it is, for lxml stops looking at an element's
children at the first of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, cast

from lxml import etree

from ovf.foreign import VERSIONS
from ovf.package import Package
from ovf.schema.crowds import is_valid, thin
from ovf.schema.judged_copy import copy_for_schema, take_out
from ovf.schema.violation import Kind, Violation, beyond, too_large, violation
from ovf.schema.vocabulary import OWN_SCHEMAS
from rehost.errors import DamagedInputError, UsageError
from rehost.files import is_folder

MOST_PASSES = 10
MOST_SCHEMAS = 1000
CHILDREN = frozenset((Kind.MISPLACED, Kind.LACKING))
NAMED = re.compile(r"dsp8023_(?P<version>[12](?:\.\d+)*)\.xsd", re.IGNORECASE)
STEP = re.compile(r"(?P<name>[^/\[\]]+)(?:\[(?P<number>\d+)\])?")


def violations(package: Package) -> tuple[Violation, ...]:
    """Return where a descriptor is not what its schema says, in document order."""
    envelope = package.envelope
    schema = _compiled(envelope.namespace, package.schemas)
    if is_valid(schema, envelope.root):
        return ()
    return tuple(sorted(_judged(package, schema), key=lambda each: each.line))


def environment_violations(package: Package) -> tuple[Violation, ...]:
    """Return where an environment document is not what the schema of OVF environments says."""
    schema, root = _compile_own("environment-1.xsd"), package.written.root
    if is_valid(schema, root):
        return ()
    root = deepcopy(root)
    if (unsaid := _thinned(schema, root)) is not None:
        return (unsaid(package.written.root),)
    return tuple(sorted((found for _, found in _told(schema, root)), key=lambda each: each.line))


def _judged(package: Package, schema: etree.XMLSchema) -> Iterator[Violation]:
    """Yield violations, one at most of the order and number of an element's children."""
    copy, originals = copy_for_schema(package.envelope)
    if is_valid(schema, copy):
        return
    if (unsaid := _thinned(schema, copy)) is not None:
        yield unsaid(package.envelope.root)
        return
    told = {(copy, "children")}
    for _ in range(MOST_PASSES):
        if schema.validate(copy):
            return
        misplaced = []
        for element, found in _told(schema, copy):
            if found.kind in CHILDREN:
                misplaced.append(element)
            subject = _subject(found, element)
            if subject not in told:
                told.add(subject)
                at = subject[0] if found.kind is Kind.LACKING else element
                yield found.of(originals.get(at, at))
        for element in misplaced:
            take_out(element)
        if not misplaced:
            return


def _thinned(
    schema: etree.XMLSchema, root: etree._Element
) -> Callable[[etree._Element], Violation] | None:
    """Thin an invalid tree; return what makes the violation if no more can be told of it."""
    if not thin(root):
        return too_large
    return beyond if schema.validate(root) else None


def _told(
    schema: etree.XMLSchema, root: etree._Element
) -> Iterator[tuple[etree._Element, Violation]]:
    """Yield what lxml told of the document it was asked about last."""
    places = _Places(root)
    for error in _log(schema):
        element = places.element(error.path or "")
        if element is not None:
            yield element, violation(error.message, element)


def _log(schema: etree.XMLSchema) -> list[etree._LogEntry]:
    return list(cast("Iterable[etree._LogEntry]", schema.error_log))


def _subject(found: Violation, element: etree._Element) -> tuple[etree._Element, str]:
    """Return what a violation is one of a kind for: children of an element, or an attribute."""
    parent = element.getparent()
    if found.kind in CHILDREN and parent is not None:
        return parent, "children"
    return element, "children" if found.kind is Kind.INCOMPLETE else found.attribute


class _Places:
    """Finds elements by libxml2's paths: names as they are spelled, or ``*`` for any.

    Children are listed once for each parent, for a document can have thousands of violations.
    """

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._children: dict[tuple[etree._Element, str], list[etree._Element]] = {}

    def element(self, path: str) -> etree._Element | None:
        """Return the element at a path."""
        found = self._root
        for step in path.split("/")[2:]:
            match = STEP.fullmatch(step)
            if match is None or step.startswith("@"):
                return found
            alike = self._alike(found, match["name"])
            number = int(match["number"] or 1)
            if number > len(alike):
                return None
            found = alike[number - 1]
        return found

    def _alike(self, parent: etree._Element, name: str) -> list[etree._Element]:
        key = parent, name
        if key not in self._children:
            self._children[key] = [
                child
                for child in parent.iterchildren(etree.Element)
                if name in {"*", _spelled(child)}
            ]
        return self._children[key]


def _spelled(element: etree._Element) -> str:
    name = etree.QName(element).localname
    prefix: object = element.prefix
    return f"{prefix}:{name}" if prefix else name


@cache
def _compiled(namespace: str, folder: Path | None) -> etree.XMLSchema:
    """Return the schema of an envelope, rehost's own or the newest of a folder."""
    return _compile(schema_file(namespace, folder))


def schema_file(namespace: str, folder: Path | None) -> Path:
    """Return where the schema of an envelope is: rehost's own, or the newest below a folder."""
    if folder is None:
        return OWN_SCHEMAS / f"envelope-{VERSIONS[namespace]}.xsd"
    return _published(folder, VERSIONS[namespace])


@cache
def _compile_own(name: str) -> etree.XMLSchema:
    return _compile(OWN_SCHEMAS / name)


def _published(folder: Path, major: str) -> Path:
    """Return the newest of the DMTF's schemas for a major version below a folder."""
    if not is_folder(folder):
        raise UsageError(
            "is no folder", where=str(folder), hint="Name the folder of the DMTF's schemas."
        )
    found = [
        (tuple(map(int, match["version"].split("."))), path)
        for path in sorted(folder.rglob("*.xsd"))[:MOST_SCHEMAS]
        if (match := NAMED.fullmatch(path.name)) and match["version"][0] == major
    ]
    if not found:
        raise UsageError(
            f"holds no schema of OVF {major}.x",
            where=str(folder),
            hint=f"It is called dsp8023_{major}.x.y.xsd; the DMTF publishes it.",
        )
    return max(found, key=lambda pair: pair[0])[1]


class _Beside(etree.Resolver):
    """Finds what a schema imports beside it, by file name, whatever address it gives."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.missing = ""

    def resolve(self, system_url: str, public_id: str, *context: Any) -> Any:
        """Return the file of that name; no network and no other folder is asked."""
        del public_id
        name = system_url.rpartition("/")[2]
        path = self._folder / name
        if not path.is_file():
            self.missing = self.missing or name
            return None
        return self.resolve_string(path.read_bytes(), *context, base_url=str(path))


def _compile(path: Path) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    beside = _Beside(path.parent)
    parser.resolvers.add(beside)
    try:
        return etree.XMLSchema(etree.parse(str(path), parser))
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError, OSError) as error:
        if beside.missing:
            raise UsageError(
                f"{beside.missing} is missing, which a schema in {path.parent} imports",
                hint="Put it beside the schema; nothing is fetched from the network.",
            ) from None
        raise DamagedInputError(
            f"is no schema that can be used ({' '.join(str(error).split())})", where=str(path)
        ) from None
