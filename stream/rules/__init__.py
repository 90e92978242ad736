"""Rule files as written, to one immutable rule set.

Doors: `model`, `compiler`, `files`, `durations`, `schema`, `testcases`.
"""
