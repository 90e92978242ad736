"""The topics that rules need."""
