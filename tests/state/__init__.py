"""stream.state."""
