"""Rule files as written, to one immutable rule set.

Doors: `aggregates`, `changes`, `definitions`, `model`, `compiler`, `files`, `durations`, `field_paths`,
`forms`, `keys`, `schema`, `shapes`, `testcases`, `trait_shapes`, `value_types`.
"""
