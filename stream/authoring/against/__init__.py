"""`stream backtest --against`: two rule sets on the same past, and what the one decides otherwise."""
