"""The load test: reproducible workloads into a real Kafka, and what a worker makes of them. See README.md."""
