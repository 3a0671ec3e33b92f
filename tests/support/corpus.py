"""Where the packages of other programs lie, for tests that are skipped without them."""

from __future__ import annotations

import os
from pathlib import Path

CORPUS = Path(os.environ.get("REHOST_CORPUS", Path(__file__).parents[2] / "../shared/corpus"))
