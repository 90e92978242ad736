"""stream.authoring.rule_tests.run."""
