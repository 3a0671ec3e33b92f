"""Editing packages: functions on a ``Draft``, one module for each kind of thing that is edited.

Every function makes its changes in the descriptor's own text (see ``ovf.text.splice``), so whatever
it does not concern stays byte for byte. ``system`` names a VirtualSystem by its id, and may be None
where there is only one.
"""
