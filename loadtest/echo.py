"""`python -m loadtest.echo SOURCE SOURCE TARGET EVERY`: a bare consumer that writes what it reads.

What `loadtest.keeping_up` holds a worker's latency against: no rules, no state, one record in EVERY written,
with the place of the record that it comes from.
"""

from __future__ import annotations

import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def echo(broker: str, sources: list[str], target: str, every: int) -> None:
    """Until the process is ended."""
    consumer = AIOKafkaConsumer(
        *sources, bootstrap_servers=broker, group_id=target, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True, acks="all")
    await consumer.start()
    await producer.start()
    while True:
        for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
            for record in records:
                if record.offset % every == 0:
                    cause = f"{tp.topic}/{tp.partition}/{record.offset}".encode()
                    await producer.send(
                        target, record.value, record.key, tp.partition, headers=[("ce_cause", cause)]
                    )


if __name__ == "__main__":
    *names, last, one_in = sys.argv[1:]
    asyncio.run(echo(os.environ["STREAM_BROKER"], names, last, int(one_in)))
