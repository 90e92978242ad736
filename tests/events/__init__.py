"""stream.events."""
