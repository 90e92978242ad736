"""The embedded Kafka: real Apache Kafka for `stream broker`, the demo and the tests; nothing to install.

Doors: `cluster`, `supervisor`.
"""
