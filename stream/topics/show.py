"""`stream topics`: what the rules need and what there is, and making what is missing.

Sources are the team's: they are only made where somebody says so. Tested by tests/integration/test_topics.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stream.errors import TopologyError
from stream.kafka.topic_ids import partition_counts
from stream.rules.compiler.rule_set import load_rules
from stream.settings import Settings
from stream.topics.counts import common, odd
from stream.topics.ensure import admin_client, create_topics, replication_of
from stream.topics.plan import Need, plan

PRODUCTION_COPIES = 3


async def needs(
    settings: Settings,
    partitions: int | None,
    *,
    offline: bool,
    create: bool,
    sources: bool,
    on_made: Callable[[Need], None] = lambda _: None,
) -> tuple[list[Need], Mapping[str, int] | None]:
    """What is needed, and the partition counts of what there is by now (None: `offline`, nobody was asked).
    `on_made` hears of each topic that was made.

    Raises RuleFileError, BrokerError, and TopologyError where the partition count cannot be known or a topic
    cannot be made.
    """
    rules = load_rules(settings.rules, settings.own_topics)
    if offline:
        copies = settings.replication or PRODUCTION_COPIES
        return plan(rules, settings, partitions=partitions or 1, replication=copies), None
    async with admin_client(settings) as client:
        brokers = len((await client.describe_cluster())["brokers"])
        wanted = plan(rules, settings, partitions=1, replication=replication_of(settings, brokers))
        there = await partition_counts(client._client, [need.name for need in wanted])
        count = _common(wanted, there, partitions)
        wanted = plan(rules, settings, partitions=count, replication=replication_of(settings, brokers))
        missing = [need for need in wanted if need.name not in there and (need.is_ours or sources)]
        if create and missing:
            await create_topics(
                client,
                {need.name: need.config for need in missing},
                partitions={need.name: need.partitions for need in missing},
                replication=missing[0].replication,
            )
            for need in missing:
                on_made(need)
            # Not asked again: a broker may not have heard of them for a moment.
            there |= {need.name: need.partitions for need in missing}
        return wanted, there


def _common(wanted: Sequence[Need], there: Mapping[str, int], given: int | None) -> int:
    """The partition count of all. Raises TopologyError where sources differ, or none is known."""
    if (wrong := odd(wanted, there)) is not None:
        raise TopologyError(wrong.message, hint=wrong.mend)
    known = common(wanted, there)
    count = given if known is None else known
    if count is None:
        raise TopologyError(
            "no source topic exists, so it is not known how many partitions the others need",
            hint="say it with --partitions",
        )
    if given not in (None, count):
        raise TopologyError(
            f"the topics that are there need {count} partitions, and --partitions asks for {given}"
        )
    return count
