"""The embedded Kafka: real Apache Kafka for `stream broker`, the demo and the tests; nothing to install."""

from stream.broker.cluster import EmbeddedKafka, serve

__all__ = ["EmbeddedKafka", "serve"]
