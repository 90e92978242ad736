"""Real workers on real Kafka, broken on purpose, and held against what must have come out. See README.md."""
