"""How much the attacks do: short beside all other tests, long in a run of their own."""

from __future__ import annotations

import os

LONG = os.environ.get("STREAM_ATTACKS") == "long"
