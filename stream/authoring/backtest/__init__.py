"""Past events through the production engine: what comes of them, counted."""
