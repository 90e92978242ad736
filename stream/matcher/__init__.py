"""A rule set as the loop walks it."""
