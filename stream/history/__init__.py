"""Past events as they lie in files and topics, read in the order of time, in constant memory.

Doors: `inputs`, `merged`, `pieces`, `sorting`, `topics`, and the compiled `_past`.
"""
