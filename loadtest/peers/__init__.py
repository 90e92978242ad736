"""The same rules in Apache Flink and Kafka Streams, as a measure for a worker; README.md says how and why."""
