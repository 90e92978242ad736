"""What authors of rules start: check, rule tests, backtest.

Doors: `check`, `rule_tests`, `backtest`, `findings`, `summary`, `page`, `event_files`, `index_paths`.
"""
