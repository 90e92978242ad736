"""Measurements of single parts, without Kafka."""
