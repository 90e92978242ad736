"""stream.decisions."""
