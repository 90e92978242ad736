"""stream.worker."""
