"""Records to events and profile updates, without Python objects for their fields.

Doors: `_event`, `_murmur`, `_times`, `_value`.
"""
