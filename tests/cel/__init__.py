"""Conditions: stream.cel and stream.expression."""
