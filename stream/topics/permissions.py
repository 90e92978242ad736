"""What a worker must be allowed to do in Kafka, and is not: as the brokers say themselves, without trying it.

Pure, but for `refused`. Tested by tests/topics/test_permissions.py, tests/doctor/test_kafka.py and
tests/integration/test_rights.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from stream.errors import BrokerError
from stream.kafka.cluster import Cluster, look
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics.ensure import admin_client
from stream.topics.plan import Need, plan

log = structlog.get_logger("stream.topics")

Refused = tuple[str, tuple[str, ...]]  # what, such as `topic clicks`, and the operations that are not allowed


def lacking(cluster: Cluster, needs: Sequence[Need], app_id: str) -> list[Refused]:
    """Of topics and the group; what the brokers do not tell is left out."""
    refused: list[Refused] = []
    for need in needs:
        topic = cluster.topics.get(need.name)
        if need.name in cluster.hidden:
            refused.append((f"topic {need.name}", need.operations))
        elif topic is not None and topic.operations is not None:
            missing = tuple(each for each in need.operations if each not in topic.operations)
            refused += [(f"topic {need.name}", missing)] if missing else []
    if cluster.group_hidden:
        refused.append((f"group {app_id}", ("Describe", "Read")))
    elif cluster.group_operations is not None and "Read" not in cluster.group_operations:
        refused.append((f"group {app_id}", ("Read",)))
    return refused


def in_words(refused: Refused) -> str:
    what, operations = refused
    return f"{what}: {', '.join(operations)} not allowed"


def remedy(refused: Refused) -> str:
    what, operations = refused
    return f"grant {', '.join(operations)} on {what} to this client"


def not_told(cluster: Cluster, needs: Sequence[Need], app_id: str) -> list[str]:
    """Of which topics and group the brokers do not tell what this client may do."""
    found = [(need.name, cluster.topics.get(need.name)) for need in needs]
    names = [f"topic {name}" for name, topic in found if topic is not None and topic.operations is None]
    if cluster.group_operations is None and not cluster.group_hidden:
        names.append(f"group {app_id}")
    return names


async def refused(settings: Settings, rules: RuleSet) -> list[Refused]:
    """What this client lacks; what is not told is logged. Raises BrokerError where Kafka cannot be asked."""
    needs = plan(rules, settings, partitions=0, replication=0)
    try:
        async with admin_client(settings) as admin:
            cluster = await look(admin, [each.name for each in needs], settings.app_id)
    except BrokerError as error:
        message = f"what this client may do could not be asked: {error.message}"
        raise BrokerError(message, hint=error.hint) from error
    if names := not_told(cluster, needs, settings.app_id):
        log.warning(
            "permissions_not_known",
            reason=f"Kafka does not tell at the moment what this client may do with {', '.join(names)}",
            hint="`stream doctor` looks again",
        )
    return lacking(cluster, needs, settings.app_id)
