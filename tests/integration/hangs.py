"""A program that never ends: what a compilation that hangs is to a worker (see broken.py)."""

import signal

if __name__ == "__main__":
    signal.pause()
