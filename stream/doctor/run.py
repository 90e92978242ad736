"""All checks in order: rules, Kafka, topics, this machine; each as far as those before allow."""

from __future__ import annotations

from stream.authoring import check as checks
from stream.doctor import kafka, machine, placement, topics
from stream.doctor.findings import Finding, error, ok, unknown, warning
from stream.errors import BrokerError
from stream.kafka.cluster import look
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics.counts import common, odd
from stream.topics.ensure import admin_client, replication_of
from stream.topics.plan import plan


async def examine(settings: Settings) -> list[Finding]:
    """Everything found, in the order of the examination; raises nothing for what is amiss."""
    rules, found = _rules(settings)
    partitions: int | None = None
    try:
        async with admin_client(settings) as admin:
            needed = [] if rules is None else plan(rules, settings, partitions=0, replication=0)
            cluster = await look(admin, [each.name for each in needed], settings.app_id)
    except BrokerError as failure:
        found.append(error("brokers", failure.message, failure.hint or "see STREAM_BROKER"))
    else:
        found += [*kafka.brokers(cluster), kafka.clock(cluster)]
        if rules is not None:
            copies = replication_of(settings, len(cluster.brokers))
            needs = plan(rules, settings, partitions=0, replication=copies)
            counts = topics.partitions_of(cluster)
            partitions = common(needs, counts)
            found += topics.findings(cluster, needs, settings.broker)
            found += kafka.permissions(cluster, needs, settings.app_id)
            if partitions is not None and odd(needs, counts) is None:
                found += await placement.findings(settings, rules, partitions)
        else:
            found.append(
                unknown(
                    "topics", "the rules, which say which are needed, have errors", "mend the rules first"
                )
            )
    return [*found, *machine.findings(settings, partitions)]


def _rules(settings: Settings) -> tuple[RuleSet | None, list[Finding]]:
    checked = checks.check(settings.rules, settings.own_topics)
    fix = f"`stream check {settings.rules}` shows where"
    errors = sum(each.severity == "error" for each in checked.diagnostics)
    if checked.rules is None:
        first = next(each for each in checked.diagnostics if each.severity == "error")
        return None, [error("rules", f"{errors} errors, the first is {first}", fix)]
    said = checks.summary(checked).removeprefix("ok: ")
    return checked.rules, [warning("rules", said, fix) if checked.diagnostics else ok("rules", said)]
