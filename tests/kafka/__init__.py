"""stream.kafka."""
