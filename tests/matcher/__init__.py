"""stream.matcher."""
