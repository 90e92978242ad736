"""What is known of a partition's customers."""
