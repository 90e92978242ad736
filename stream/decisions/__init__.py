"""A match to a decision."""
