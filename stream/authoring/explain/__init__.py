"""Why and why not: what happened to one customer, event by event, told by the production engine."""
