"""The bare echo, to compare with: it consumes the sources and produces every fifth record, as it is.

    python -m loadtest.cases.echo BROKER OUT PARTITIONS TOPIC...

The least that a program with this client can do between two topics; as many records out as REF-300 has
triggers, roughly. It begins at the ends of its topics, says `ready`, and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import gc
import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

EVERY = 5


async def echo(broker: str, out: str, partitions: int, topics: list[str]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False)
    producer = AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True)
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(topic, number) for topic in topics for number in range(partitions)])
    await consumer.seek_to_end()
    for each in consumer.assignment():
        await consumer.position(each)
    gc.freeze()
    print("ready", flush=True)
    while True:
        for partition, records in (await consumer.getmany(timeout_ms=1000)).items():
            for record in records:
                if record.offset % EVERY == 0:
                    await producer.send(out, record.value, record.key, partition=partition.partition)


if __name__ == "__main__":
    broker, out, partitions, *topics = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(echo(broker, out, int(partitions), topics))
