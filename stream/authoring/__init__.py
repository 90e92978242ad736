"""What authors of rules start: check, rule tests, backtest.

Doors: `check`, `rule_tests`, `histories`, `condition_coverage`, `rule_report`, `watch`, `backtest`,
`findings`, `summary`, `page`, `event_files`, `index_paths`, `tracking_plan`.
"""
