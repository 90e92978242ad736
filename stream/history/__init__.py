"""Past events as they lie in files and topics, read in the order of time, in constant memory.

Doors: `event_files`, `event_topics`, `formats`, `inputs`, `topics`, `progress`, `sorting`, `unusable`, and
the compiled `_past` and `_repeats`.
"""
