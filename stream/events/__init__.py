"""Records to values."""
