"""Reports: what is said is said once, in the order it arose."""

from __future__ import annotations

from rehost.report import (
    Location,
    Loss,
    LossKind,
    Severity,
    assumed,
    changed,
    dropped,
)


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


def test_severities_are_in_order() -> None:
    assert Severity.INFO < Severity.WARNING < Severity.ERROR


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
