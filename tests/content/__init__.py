"""stream.content."""
