"""Real-time stream processor with a low-latency trigger engine for customer interactions."""

__version__ = "0.1"
