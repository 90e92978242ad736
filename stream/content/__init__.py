"""Liquid templates to text, within bounds and escaped."""
