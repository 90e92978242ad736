"""Files of events and profiles into a source's topic: columns to fields, what cannot be sent, sending.

Doors: `mapping`, `feed`, `sender`, `report`.
"""
