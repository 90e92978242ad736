"""The command `stream`: arguments in, exit codes out.

Doors: `main`.
"""
