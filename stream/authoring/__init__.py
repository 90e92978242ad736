"""What authors of rules start: check, rule tests, backtest.

Doors: `check`, `rule_tests`, `backtest`, `event_files`, `event_topics`, `index_paths`, `progress`, `replay`.
"""
