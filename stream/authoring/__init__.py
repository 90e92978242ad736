"""What authors of rules start: check, rule tests, backtest.

Doors: `check`, `rule_tests`, `histories`, `condition_coverage`, `rule_report`, `watch`, `backtest`,
`findings`, `summary`, `page`, `event_files`, `event_topics`, `index_paths`, `progress`, `replay`,
`tracking_plan`.
"""
