"""Records to events and profile updates, without Python objects for their fields.

Doors: `_event`, `_murmur`, `_taken`, `_times`, `_value`, `_varint`, and `_yyjson` to go through a list of the
record at hand.
"""
