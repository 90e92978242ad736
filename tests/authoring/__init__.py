"""stream.authoring."""
