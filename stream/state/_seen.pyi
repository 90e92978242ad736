"""Nothing of the compiled `_seen` is for Python; the essay is in `_seen.pyx`."""
