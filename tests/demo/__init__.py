"""stream.demo."""
