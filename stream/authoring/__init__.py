"""What authors of rules start: check, rule tests, backtest.

Doors: `check`, `rule_tests`, `backtest`, `event_files`, `index_paths`, `tracking_plan`.
"""
