"""What tests of several rooms use: Kafka, workers, Prometheus."""
