"""The topics that a rule set needs: which, what for, and how they should be made.

Tested by tests/topics/test_plan.py, and with what Kafka makes of it by tests/integration/test_topics.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stream.decisions.wire import DEAD_LETTERS, DECISIONS
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.structs import MAX_REQUEST_BYTES, OwnTopics

SOURCE, CHANNEL, CHANGELOG, RULES = "source", "channel", "changelog", "rules"
SWITCHES = "switches"
KEPT = (CHANGELOG, RULES, SWITCHES)  # compacted: the last of each key must stay for ever
SINGLE = (RULES, SWITCHES)  # of one partition
LATEST = ("profile", "context")  # kinds of sources that say how things are: the same
LAG = "max.compaction.lag.ms"

# Kafka never compacts the segment that is being written: with 1 GiB, its default, a restore would read
# millions of outdated records.
CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(64 << 20),
}


@dataclass(frozen=True, slots=True)
class Need:
    """A topic. `role`: `source`, `channel`, `decisions`, `dead-letters`, `changelog`, `rules` or `switches`.
    `config`: settings that matter. `operations`: what a worker must be allowed to do with it. Sources are the
    team's.
    """

    name: str
    role: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    operations: tuple[str, ...]
    kind: str = ""  # of a source

    @property
    def is_ours(self) -> bool:
        return self.role != SOURCE


def outputs(rules: RuleSet, own: OwnTopics, compaction_lag: float = 3600.0) -> dict[str, dict[str, str]]:
    """The topics that a worker makes, with the settings that matter. `compaction_lag`: in seconds."""
    lag = {LAG: str(int(1000 * compaction_lag))}
    topics: dict[str, dict[str, str]] = {channel.topic: {} for channel in rules.channels}
    topics[own.decisions] = {}
    largest = {"max.message.bytes": str(MAX_REQUEST_BYTES)}
    topics[own.dead_letters] = largest  # whatever can be sent, however bad
    topics[own.changelog] = CHANGELOG_CONFIG | lag
    topics[own.rules] = {"cleanup.policy": "compact"} | lag | largest
    topics[own.switches] = {"cleanup.policy": "compact"} | lag
    return topics


def made_with(config: Mapping[str, str], replication: int) -> dict[str, str]:
    """The settings that a topic is made with: of three copies two must have a record before it counts as
    written, so that one broker may be away and one may be lost.
    """
    return {**config, "min.insync.replicas": "2"} if replication >= 3 else dict(config)


def plan(rules: RuleSet, settings: Settings, *, partitions: int, replication: int) -> list[Need]:
    """All of them, sources first."""
    own = settings.own_topics
    config, may = made_with({}, replication), ("Describe", "Read")
    compacted = {"cleanup.policy": "compact"} | config
    needs = [
        Need(
            *(source.topic, SOURCE, partitions, replication),
            compacted if source.kind in LATEST else config,
            *(may, source.kind),
        )
        for source in sorted(rules.sources, key=lambda source: source.topic)
    ]
    roles = {own.decisions: DECISIONS, own.dead_letters: DEAD_LETTERS}
    roles |= {own.changelog: CHANGELOG, own.rules: RULES, own.switches: SWITCHES}
    for name, config in outputs(rules, own, settings.compaction_lag).items():
        # What was written is read back by a partition's next owner, so all of ours are read, too.
        role = roles.get(name, CHANNEL)
        operations = may if role == SWITCHES else ("Describe", "Read", "Write")
        count = 1 if role in SINGLE else partitions
        needs.append(Need(name, role, count, replication, made_with(config, replication), operations))
    return needs
