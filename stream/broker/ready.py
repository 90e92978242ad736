"""When the embedded Kafka is ready: all its nodes are in the metadata and a consumer group can be joined.

A listening port is not enough: for a moment after it opens, the first group of a new cluster is refused.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest, ProtocolMetadata

from stream.errors import BrokerError

POLL_SECONDS = 0.02
GROUP = "ready"  # joined and left
SESSION_MS = 6000
MEMBER_ID_REQUIRED = 79
PROTOCOLS = [("range", ProtocolMetadata(0, [], b"").encode())]  # a consumer of no topics


def wait(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Wait until `condition()` holds; BrokerError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BrokerError(f"{otherwise} within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def wait_ready(ports: Sequence[int], alive: Callable[[], bool], seconds: float) -> None:
    """Wait until the nodes at these ports of 127.0.0.1 are one cluster that serves groups.

    `alive()` is asked all the while and raises what there is to say when a node ends. Raises BrokerError
    after `seconds`.
    """
    deadline = time.monotonic() + seconds
    # Ports first, because the client logs each refused connection as an error.
    wait(lambda: alive() and all(map(_listens, ports)), seconds, "the embedded Kafka does not listen")
    with _probing(",".join(f"127.0.0.1:{port}" for port in ports), len(ports)) as ready:
        remaining = deadline - time.monotonic()
        wait(lambda: alive() and ready(), remaining, "the embedded Kafka listens, but does not get ready")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def _probing(bootstrap: str, brokers: int) -> Iterator[Callable[[], bool]]:
    """Probe in a thread, since the caller's may have a running event loop; gives "is it ready yet?"."""
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    given_up = threading.Event()

    async def until_given_up() -> None:
        probe = asyncio.create_task(_probe(bootstrap, brokers))
        while not probe.done():
            await asyncio.wait({probe}, timeout=POLL_SECONDS)
            if given_up.is_set():
                probe.cancel()
        with suppress(asyncio.CancelledError):
            probe.result()

    def run() -> None:
        try:
            asyncio.run(until_given_up())
            outcome.put(None)
        except BaseException as error:
            outcome.put(error)  # raised in the thread that waits

    def ready() -> bool:
        try:
            error = outcome.get_nowait()
        except queue.Empty:
            return False
        if error is not None:
            raise error
        return True

    thread = threading.Thread(target=run, name="kafka-ready", daemon=True)
    thread.start()
    try:
        yield ready
    finally:
        given_up.set()
        thread.join()


async def _probe(bootstrap: str, brokers: int) -> None:
    """Return when all brokers are in the metadata and a group could be joined."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=5000, client_id="ready")
    try:
        while True:
            with suppress(KafkaError, OSError, TimeoutError):  # not yet: what is being waited for
                if not client.cluster.brokers():
                    await client.bootstrap()
                metadata = await client.fetch_all_metadata()
                if len(metadata.brokers()) == brokers and await _can_join(client):
                    return
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await client.close()


async def _can_join(client: AIOKafkaClient) -> bool:
    """Join a group and leave it again."""
    coordinator = await client.coordinator_lookup(0, GROUP)  # 0: a group's; creates the topic of the offsets
    member = ""
    for _ in range(2):  # the first time round the coordinator only gives out a member id
        request = JoinGroupRequest(GROUP, SESSION_MS, SESSION_MS, member, None, "consumer", PROTOCOLS)
        response = await client.send(coordinator, request)
        member = response.member_id
        if response.error_code != MEMBER_ID_REQUIRED:
            break
    if response.error_code != 0:
        return False
    await client.send(coordinator, LeaveGroupRequest(GROUP, member))
    return True
