"""What authors of rules start: check, rule tests, backtest.

Doors: `check`, `index_paths`, `tracking_plan`, `replay`, `watch`; the rooms `backtest`, `page`, `rule_tests`.
"""
