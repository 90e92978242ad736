"""Types of the compiled `_windows`; the essay is in `_windows.pyx`."""
