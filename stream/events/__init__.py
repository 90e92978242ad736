"""Records to events and profile updates, without Python objects for their fields.

Doors: `_event`, `_times`, `_value`, and `_yyjson` for who goes through a list of the record at hand.
"""
