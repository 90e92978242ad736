"""The tests in rule files: played, compared with what they expect, and told of."""
