"""A match to a decision and its wire form: guards, the calendar, experiments.

Doors: `_hash`, `decide`, `guards`, `limits`, `calendar`, `experiments`, `wire`.
"""
