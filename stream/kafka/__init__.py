"""What aiokafka lacks: protocol requests, an idempotent producer, reading ranges, membership, the lease.

Doors: `cluster`, `lease`, `membership`, `producer`, `raw_records`, `reader`, `topic_ids`.
"""
