"""CEL, the language of conditions: tokens, grammar and trees, values and functions, the plain evaluator.

`stream.expression` is the door to it.
"""
