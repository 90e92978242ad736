"""The demo: two public data sets played through a real Kafka and a worker, and what came of it on the screen.

Doors: `run`.
"""
