"""What is known of a partition's customers, and its byte form.

Doors: `_customers`, `_customer`, `_instances`, `_layout`, `_packed`, `_profile`, `_seen`, `_windows`,
`_codec`.
"""
