"""stream.telemetry."""
