"""Past events as they lie in files and topics, read by time, in constant memory, and sent to them.

Doors: `changelog`, `csv_rows`, `decided`, `event_files`, `event_topics`, `formats`, `inputs`, `topics`,
`progress`, `seen_names`, `sorting`, `unusable`, the room `feeds`, and the compiled `_past` and `_repeats`.
"""
