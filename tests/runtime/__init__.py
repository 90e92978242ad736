"""stream.runtime."""
