"""A match to a decision and its wire form: guards, the calendar, experiments.

Doors: `_hash`, `_wire`, `decide`, `guards`, `limits`, `calendar`, `experiments`, `wire`.
"""
