"""CEL, the language of conditions: tokens, grammar and trees, values and functions, the plain evaluator.

Doors: `cost`, `evaluation`, `functions`, `grammar`, `simplification`, `slips`, `strings`, `times`, `tree`,
`values`.
Others use `stream.expression`.
"""
