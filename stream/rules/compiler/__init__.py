"""Rule files to the compiled rule set: names to definitions, durations to milliseconds, conditions to trees.

A key that is accepted is enforced; a key that is not known is refused. `rule_set` compiles a directory. There
is a module for each section of the files; `definition`, `values` and `conditions` read what one of them says,
`compilation` is what they share, `identity` makes the ids, `warnings` says what is probably not meant.
"""
