"""What is a URI, for whoever asks whether a word is one: RFC 3986, clauses 2 and 3.1."""

from __future__ import annotations

import re

SCHEME = "[A-Za-z][A-Za-z0-9+.-]*"
LOOSE_URI = re.compile(rf"{SCHEME}:\S+")
"""A word that begins as a URI does, however it goes on."""
URI = re.compile(rf"{SCHEME}:[!#-;=?-\[\]_a-z~]+")
"""A URI whose characters all may stand in one."""
