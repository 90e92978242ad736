"""stream.topics."""
