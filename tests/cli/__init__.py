"""stream.cli."""
