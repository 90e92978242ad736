"""Attacks on real workers and a real Kafka."""
