"""stream.doctor."""
