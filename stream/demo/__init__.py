"""The demo: two public data sets played through a real Kafka and a worker, and what came of it on the screen.

`data` turns the data sets into events, `play` puts them into Kafka, `view` shows triggers as they fire
and sums up.
"""
