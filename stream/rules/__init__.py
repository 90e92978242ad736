"""Rule files as written, to one immutable rule set.

Doors: `aggregates`, `model`, `compiler`, `files`, `durations`, `schema`, `testcases`.
"""
