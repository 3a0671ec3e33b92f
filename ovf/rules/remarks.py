"""Comments in which a descriptor accepts findings about itself.

The standard knows nothing of them; ``ovf.judging.remarks`` has their grammar.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ovf.judging.remarks import MOST_REMARKS, comments, misspelled
from ovf.judging.rule import EVERY_DIALECT, Basis, all_rules, rule
from ovf.package import Package
from rehost.report import Location, Severity


@rule("REM-001", clause="7.3", severity=Severity.INFO, basis=Basis.OWN, versions=EVERY_DIALECT)
def remarks_accept(package: Package) -> Iterator[tuple[Location, str]]:
    """A comment ``rehost: ignore`` names rules that find something in its element.

    One that is misspelled accepts nothing. One whose finding is gone would accept it again, unseen,
    when it comes back. Rules that were not asked in this run, and those of disks unless they are
    read whole (``--deep``), are not said to find nothing.

    Fix: correct the comment, or remove it.
    """
    found = list(islice(comments(package.written), MOST_REMARKS))
    known = _known() if found else ()
    for comment in found:
        for message in misspelled(comment, known):
            yield package.written.at(comment), message


def _known() -> list[str]:
    from ovf.judging.profile import all_checks

    return [rule.id for rule in all_rules()] + [check.id for check in all_checks()]
