"""The trigger worker: its app, reload, health and signals.

Doors: `app`.
"""
