"""Each topic: whether it is there, fits the others, loses nothing in an accident, and keeps what it must.

Pure: judges what `kafka.cluster` has seen by what `topics.plan` needs. Tested by tests/doctor/test_topics.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream.decisions.wire import DEAD_LETTERS, PRODUCERS_BYTES, WHOLE_LETTER
from stream.doctor.findings import Finding, error, ok, unknown, warning
from stream.kafka.cluster import Cluster, Topic
from stream.kafka.codecs import READABLE
from stream.kafka.commands import add_partitions, set_topic
from stream.structs import MOST_BYTES
from stream.topics.counts import common, odd
from stream.topics.fit import misfits_of
from stream.topics.plan import CHANGELOG, CHANNEL, LATEST, RULES, SINGLE, SOURCE, Need

PRODUCERS_OWN = "producer"  # compression as each producer likes it
# Bytes that a topic should take, by its role, and what happens where it takes less.
LEAST = {
    CHANNEL: (MOST_BYTES, "a message that is larger is not sent (reason `size` of its decision)"),
    DEAD_LETTERS: (
        WHOLE_LETTER + 2 * PRODUCERS_BYTES,
        "of a bad record that is larger only the beginning is kept, and none of its producer's headers",
    ),
    CHANGELOG: (MOST_BYTES, "of a customer of whom more is known the oldest is forgotten (`evicted`)"),
    RULES: (MOST_BYTES, "rules whose definitions are larger, packed, cannot be taken"),
}


def findings(cluster: Cluster, needs: Sequence[Need], broker: str) -> list[Finding]:
    """One finding for each topic that is all right, and one for each thing that is amiss."""
    found = list(_partitions(cluster, needs, broker))
    for need in needs:
        if (topic := cluster.topics.get(need.name)) is None:
            if need.name not in cluster.hidden:  # that is a finding about permissions
                found.append(_missing(need))
            continue
        amiss = [*_copies(need, topic, len(cluster.brokers), broker), *_settings(need, topic, broker)]
        if not amiss and f"topic {need.name}" not in {each.check for each in found}:
            amiss.append(ok(f"topic {need.name}", _said(need, topic)))
        found += amiss
    return found


def partitions_of(cluster: Cluster) -> dict[str, int]:
    """How many each topic has."""
    return {name: topic.partitions for name, topic in cluster.topics.items()}


def _said(need: Need, topic: Topic) -> str:
    policy = (topic.config or {}).get("cleanup.policy", "not known")
    said = (
        f"{need.role}, {topic.partitions} partitions of {topic.replication} copies, "
        f"min.insync.replicas {topic.number('min.insync.replicas') or 'not known'}, cleanup {policy}"
    )
    return f"{said}; read in any compression: {', '.join(READABLE)}" if need.role == SOURCE else said


def _missing(need: Need) -> Finding:
    if need.is_ours:
        fix = "`stream topics --create`; a worker that may, makes it when it starts"
        return warning(f"topic {need.name}", f"the {need.role} topic does not exist", fix)
    fix = "create it, or mend `topic:` in the rule files; for trying out, `stream topics --create --sources`"
    return error(f"topic {need.name}", "the source topic does not exist", fix)


def _partitions(cluster: Cluster, needs: Sequence[Need], broker: str) -> Iterator[Finding]:
    counts = partitions_of(cluster)
    if (wanted_of_all := common(needs, counts)) is None:
        return
    if (wrong := odd(needs, counts)) is not None:
        yield error("partitions", wrong.message, wrong.mend)
    else:
        sources = sum(need.role == SOURCE and need.name in counts for need in needs)
        yield ok("partitions", f"{wanted_of_all} in each of {sources} source topics")
    for need in needs:
        if not need.is_ours or (topic := cluster.topics.get(need.name)) is None:
            continue
        where = f"topic {need.name}"
        wanted = 1 if need.role in SINGLE else wanted_of_all
        if topic.partitions < wanted:
            fix = add_partitions(broker, need.name, wanted)
            message = f"{topic.partitions} partitions, and must have {wanted}"
            yield error(where, message, fix)
        elif topic.partitions > wanted:
            message = f"{topic.partitions} partitions, of which {topic.partitions - wanted} stay empty"
            yield warning(where, message, f"harmless; were there sources of {topic.partitions} once?")


def _copies(need: Need, topic: Topic, brokers: int, broker: str) -> Iterator[Finding]:
    where = f"topic {need.name}"
    least = topic.number("min.insync.replicas")
    if topic.leaderless:
        fix = "start the brokers that hold them"
        yield error(
            where, f"{topic.leaderless} partitions have no leader: nothing can be read or written", fix
        )
    elif least is not None and topic.in_sync < least:
        message = (
            f"{topic.in_sync} copies are in sync, min.insync.replicas is {least}: nothing can be written"
        )
        yield error(where, message, "start the brokers that are away, or make copies on others")
    if least is not None and least > topic.replication:
        fix = set_topic(broker, need.name, f"min.insync.replicas={max(topic.replication - 1, 1)}")
        message = f"min.insync.replicas {least} with {topic.replication} copies: nothing can ever be written"
        yield error(where, message, fix)
        return
    if topic.replication < min(3, brokers):
        message = f"{topic.replication} cop{'y' if topic.replication == 1 else 'ies'} on {brokers} brokers"
        yield warning(where, message, "kafka-reassign-partitions.sh with three replicas for each partition")
    elif topic.replication > 1 and least is not None:
        if least == 1:
            fix = set_topic(broker, need.name, "min.insync.replicas=2")
            yield warning(where, "min.insync.replicas is 1: what was acknowledged can be lost", fix)
        elif least == topic.replication and topic.in_sync == topic.replication:
            fix = set_topic(broker, need.name, f"min.insync.replicas={least - 1}")
            yield warning(where, f"min.insync.replicas is {least} of {least}: one broker away stops it", fix)


def _settings(need: Need, topic: Topic, broker: str) -> Iterator[Finding]:
    where = f"topic {need.name}"
    if topic.config is None:
        fix = f"grant DescribeConfigs on topic {need.name}, or look yourself"
        yield unknown(where, "its settings may not be seen by this client", fix)
        return
    for each in misfits_of(need, topic.config, broker):
        yield (error if each.grave else warning)(where, each.message, each.mend)
    policies = {each.strip() for each in topic.config.get("cleanup.policy", "").split(",")}
    if need.role == SOURCE and need.kind not in LATEST and "compact" in policies:
        message = "cleanup.policy has compact: what is compacted before a worker reads it is never seen"
        yield warning(where, message, set_topic(broker, need.name, "cleanup.policy=delete"))
    if need.kind == "profile" and "delete" in policies and topic.config.get("retention.ms", "-1") != "-1":
        message = (
            "profiles older than retention.ms are deleted: a worker that reads from the beginning, as under "
            "a new app id, will not know the addresses and withdrawn consents that they held"
        )
        yield warning(where, message, set_topic(broker, need.name, "retention.ms=-1"))
    if topic.config.get("unclean.leader.election.enable") == "true":
        fix = set_topic(broker, need.name, "unclean.leader.election.enable=false")
        yield warning(where, "unclean.leader.election.enable: what was acknowledged can be lost", fix)
    yield from _compression(need, topic.config.get("compression.type", PRODUCERS_OWN), broker)
    yield from _largest(need, topic, broker)


def _compression(need: Need, kind: str, broker: str) -> Iterator[Finding]:
    where, fix = (
        f"topic {need.name}",
        set_topic(broker, need.name, f"compression.type={PRODUCERS_OWN}"),
    )
    if kind in READABLE:
        message = f"compression.type is {kind}: the brokers pack every batch anew, whatever its producer did"
        yield warning(where, message, fix)
    elif kind != PRODUCERS_OWN:
        message = f"compression.type is {kind}, which a worker cannot read: it reads {', '.join(READABLE)}"
        yield error(where, message, fix)


def _largest(need: Need, topic: Topic, broker: str) -> Iterator[Finding]:
    """What becomes of a record that is larger than this topic of ours takes: it is made to fit."""
    most, (least, then) = topic.number("max.message.bytes"), LEAST.get(need.role, (0, ""))
    if most is not None and most < least:
        fix = set_topic(broker, need.name, f"max.message.bytes={MOST_BYTES}")
        yield warning(f"topic {need.name}", f"max.message.bytes is {most:,}: {then}", fix)
