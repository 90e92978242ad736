"""The same rules in Flink and Kafka Streams, as a measure for a worker; docs/peers.md has the figures."""
