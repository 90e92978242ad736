"""Past events as they lie in files and topics, read in the order of time, in constant memory.

Doors: `changelog`, `event_files`, `event_topics`, `formats`, `inputs`, `topics`, `progress`, `seen_names`,
`unusable`, and the compiled `_past` and `_repeats`.
"""
