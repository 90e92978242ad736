"""A second, independent account of what the rules mean, and its comparison with the engine."""
