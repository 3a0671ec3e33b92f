"""What is fuzzed of OVF: descriptors and what is done with them, and all that comes beside them."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz import documents, packages, parts, repairs, users, values
from tests.fuzz.attempts import Attempt
from tests.fuzz.ready import Ready, Target, repaired
from tests.fuzz.trees import changed


def descriptor(folder: Path) -> Ready:
    """An OVF descriptor, judged and reported."""
    return Ready(packages.descriptor_seeds(), packages.judge(folder), changed)


def _of_descriptor(folder: Path, attempt: Attempt) -> Ready:
    return Ready([*parts.descriptors(folder), *packages.descriptor_seeds()], attempt, changed)


def show(folder: Path) -> Ready:
    """An OVF descriptor, shown."""
    return _of_descriptor(folder, documents.show)


def environment(folder: Path) -> Ready:
    """An OVF descriptor, of which environments are made."""
    return _of_descriptor(folder, documents.environment)


def restate(folder: Path) -> Ready:
    """An OVF descriptor, restated in the other version and back."""
    return _of_descriptor(folder, documents.restated)


def mend(folder: Path) -> Ready:
    """An OVF descriptor, mended twice."""
    return _of_descriptor(folder, documents.mended)


def edit(folder: Path) -> Ready:
    """An OVF descriptor, edited in every way."""
    return _of_descriptor(folder, documents.edited)


def machines(folder: Path) -> Ready:
    """The machines of an OVF descriptor, which is made well-formed again."""
    return Ready(parts.descriptors(folder), repaired(repairs.xml, parts.machines))


def package(folder: Path) -> Ready:
    """A whole package in its archive, judged, mended and verified."""
    return Ready(packages.archives(folder), repaired(repairs.tar, packages.judge_archive(folder)))


def package_manifest(folder: Path) -> Ready:
    """The manifest of an OVF package."""
    return Ready(parts.manifests(folder), parts.manifest)


def string_bundle(folder: Path) -> Ready:
    """A string bundle in a file of its own."""
    del folder
    return Ready([parts.BUNDLE, parts.BUNDLE.replace(b"Msg", b"msg")], parts.bundle, changed)


def certificate(folder: Path) -> Ready:
    """The certificate file of an OVF package."""
    return Ready(parts.certificates(folder), parts.certificate)


def certificate_encoded(folder: Path) -> Ready:
    """What the PEM blocks of a certificate file hold: certificates, CMS signatures."""
    return Ready(parts.all_encoded(folder), parts.encoded)


def medium(folder: Path) -> Ready:
    """An ISO 9660 image with an environment document on it."""
    return Ready(packages.media(folder), packages.judge_medium(folder))


def environment_document(folder: Path) -> Ready:
    """An environment document, judged against the package it is of."""
    return Ready(packages.environments(), packages.judge_environment(folder), changed)


def units(folder: Path) -> Ready:
    """Programmatic units, as items have them."""
    del folder
    texts = ("byte * 2^20", "hertz*10^6", "MegaBytes", "count / 100", "bit^-1 * 3.5", "kibibyte")
    return Ready([text.encode() for text in texts], parts.unit)


def property_value(folder: Path) -> Ready:
    """A type, qualifiers and a value of a property, one a line."""
    del folder
    texts = (
        "string\nMinLen(1), MaxLen(20)\nabc",
        'uint8\nValueMap{"1", "0x10"}\n16',
        "real32\n\n1e9",
    )
    return Ready([text.encode() for text in texts], parts.property_value)


def baseline(folder: Path) -> Ready:
    """A baseline of findings."""
    return Ready([packages.baseline_seed()], packages.baseline(folder), values.changed)


def settings(folder: Path) -> Ready:
    """The file rehost.toml."""
    return Ready(users.SETTINGS, users.settings(folder))


def pairs(folder: Path) -> Ready:
    """A file of properties, as whoever deploys writes it."""
    return Ready([b"# ours\r\na.b = 1\nc=\n", "\ufeffk=v\n".encode("utf-16")], users.pairs(folder))


def machine_json(folder: Path) -> Ready:
    """What ``rehost inspect --json`` says of a machine, of which a package is made."""
    return Ready(users.machines(), users.anew(folder), values.changed)


OVF_TARGETS: tuple[Target, ...] = (
    *(descriptor, show, environment, restate, mend, edit, machines),
    *(package, package_manifest, string_bundle, certificate, certificate_encoded),
    *(medium, environment_document, units, property_value),
    *(baseline, settings, pairs, machine_json),
)
