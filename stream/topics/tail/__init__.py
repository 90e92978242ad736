"""Sources, decisions, triggers and dead letters as they come, a line each, without a consumer group.

Doors: `entries`, `follow`, `lines`, `topics`.
"""
