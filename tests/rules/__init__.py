"""stream.rules."""
