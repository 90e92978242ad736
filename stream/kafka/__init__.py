"""What aiokafka lacks: protocol requests, an idempotent producer, reading ranges, membership, the lease.

Doors: `cluster`, `connections`, `contact`, `lease`, `membership`, `producer`, `raw_records`, `reader`,
`topic_ids`.
"""
