"""Reports: what is said is said once, in the order it arose."""

from __future__ import annotations

import time

from rehost.report import (
    Finding,
    Location,
    Loss,
    LossKind,
    Report,
    Severity,
    assumed,
    changed,
    dropped,
)


def finding(number: int, severity: Severity = Severity.WARNING) -> Finding:
    return Finding("OVF-X-001", severity, f"number {number}", Location("a.ovf", line=number))


def test_a_place_reads_as_its_reader_would_look_it_up() -> None:
    assert str(Location("a.ovf", line=84)) == "a.ovf:84"
    assert str(Location("a.vmdk", offset=512)) == "a.vmdk at 512"
    assert str(Location("a.vmdk", offset=0)) == "a.vmdk at 0"
    assert str(Location("a.mf")) == "a.mf"


def test_a_place_is_found_in_what_an_error_calls_it() -> None:
    assert Location.named("a.ovf:84") == Location("a.ovf", 84)
    assert Location.named("a.ova at 512") == Location("a.ova", offset=512)
    for name in ("a.mf", "c:\\a.mf", "at 9", "a at home", "a at " + "9" * 30):
        assert Location.named(name) == Location(name)


def test_findings_and_losses_are_kept_once_in_their_order() -> None:
    report = Report()
    report.find([finding(2), finding(1), finding(2)])
    report.find(iter([finding(1), finding(3)]))
    assert [each.location.line for each in report.findings] == [2, 1, 3]
    lost = dropped("a", None, "w"), changed("b", "1", "2", "w"), dropped("a", None, "w")
    report.lose(lost)
    report.lose(lost)
    assert report.losses == [lost[0], lost[1]]


def test_the_worst_finding_decides() -> None:
    report = Report()
    assert report.worst() is None
    report.find([finding(1), finding(2, Severity.ERROR), finding(3, Severity.INFO)])
    assert report.worst() is Severity.ERROR
    assert Severity.INFO < Severity.WARNING < Severity.ERROR


def test_a_hundred_thousand_findings_are_sorted_out_at_once() -> None:
    report, began = Report(), time.monotonic()
    for _ in range(2):
        report.find(finding(number) for number in range(100_000))
    assert len(report.findings) == 100_000
    assert time.monotonic() - began < 10


def test_losses_say_what_became_of_a_property() -> None:
    assert dropped("sounds[0].model", "sb16", "no such card") == Loss(
        LossKind.DROPPED, "sounds[0].model", "sb16", None, "no such card"
    )
    assert changed("nics[0].model", "pcnet", "e1000", "w") == Loss(
        LossKind.CHANGED, "nics[0].model", "pcnet", "e1000", "w"
    )
    assert assumed("firmware", "bios", "silent") == Loss(
        LossKind.ASSUMED, "firmware", None, "bios", "silent"
    )
