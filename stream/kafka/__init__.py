"""What aiokafka lacks: protocol requests, an idempotent producer, reading ranges, membership, lease, fence.

Doors: `_batch`, `_packed`, `cluster`, `codecs`, `commands`, `connections`, `contact`, `fetch_loop`, `lease`,
`membership`, `most_bytes`, `pace`, `producer`, `raw_records`, `reader`, `topic_ids`, `write_refusals`.
"""
