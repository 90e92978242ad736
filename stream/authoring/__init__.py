"""What authors of rules start: check, rule tests, backtest, explain.

Doors: `check`, `first_rules`, `index_paths`, `tracking_plan`, `replay`, `watch`; the rooms `against`,
`backtest`, `explain`, `page`, `rule_tests`.
"""
