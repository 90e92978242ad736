"""A partition's life."""
