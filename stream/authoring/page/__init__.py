"""What a backtest found, as one page of HTML that stands alone."""
