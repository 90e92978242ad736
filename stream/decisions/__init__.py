"""A match to a decision and its wire form: guards, the calendar, experiments.

Doors: `_clocks`, `_decide`, `_guards`, `_hash`, `_json`, `_wire`, `limits`, `calendar`, `experiments`,
`wire`.
"""
