"""A real appliance to work on: a small Linux that boots and says what it sees.

``build_disk`` and ``build_data_disk`` make its disks from Debian's own kernel and busybox,
``build_ova`` packs them the way VMware or VirtualBox does. Nothing here uses the product's readers
or writers: the appliance is the witness against which they are tested.

All of it lies in a cache folder under a name made of what it was built from, so the second call is
instant and a change in a builder makes a new appliance.
"""

from tests.support.appliance.disk import DATA_TEXT, Recipe, build_data_disk, build_disk
from tests.support.appliance.pack import Style, build_ova
from tests.support.appliance.store import CACHE

__all__ = [
    "CACHE",
    "DATA_TEXT",
    "Recipe",
    "Style",
    "build_data_disk",
    "build_disk",
    "build_ova",
]
