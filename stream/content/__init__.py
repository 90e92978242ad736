"""Liquid templates to text, within bounds and escaped.

Doors: `template`, `filters`, `formats`, `locales`.
"""
