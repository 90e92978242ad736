"""Past events as they lie in files and topics, read in the order of time, in constant memory.

Doors: `formats`, `inputs`, `merged`, `pieces`, `sorting`, `topics`, and the compiled `_past`.
"""
