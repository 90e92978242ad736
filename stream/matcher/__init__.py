"""A rule set as an executable program: its plans, conditions and indexes.

Doors: `_program`, `_condition`, `_frame`, `_match`, `_source`, `_explain`, `_failure`, `atoms`.
"""
