"""What is generated from the code is what the code would generate now."""

from __future__ import annotations

from tests.support.generated import ROOT, RULES, generated


def test_nothing_that_is_generated_is_stale() -> None:
    texts = generated()
    stale = [
        str(path.relative_to(ROOT))
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make generate`"
    assert set(RULES.glob("*.md")) <= texts.keys()
