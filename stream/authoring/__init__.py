"""What authors of rules start: check, rule tests, backtest, explain, an editor's help.

Doors: `check`, `first_rules`, `index_paths`, `tracking_plan`, `replay`, `watch`; the rooms `against`,
`backtest`, `editor`, `explain`, `page`, `rule_tests`.
"""
