"""What authors of rules start."""
