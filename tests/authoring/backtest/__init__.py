"""stream.authoring.backtest.run."""
