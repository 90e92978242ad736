"""A match to a decision and its wire form: guards, the calendar, experiments.

Doors: `guards`, `experiments`, `wire`.
"""
