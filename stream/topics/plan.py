"""The topics that a rule set needs: which, what for, and how they should be made.

Tested by tests/topics/test_plan.py, and with what Kafka makes of it by tests/integration/test_topics.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stream.decisions.wire import DEAD_LETTERS, DECISIONS
from stream.rules.model import RuleSet
from stream.topics.ensure import changelog_topic, made_with, outputs

SOURCE, CHANNEL, CHANGELOG = "source", "channel", "changelog"


@dataclass(frozen=True, slots=True)
class Need:
    """A topic. `role`: `source`, `channel`, `decisions`, `dead-letters` or `changelog`. `config`: settings
    that matter. `operations`: what a worker must be allowed to do with it. Sources are the team's own.
    """

    name: str
    role: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    operations: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        return self.role != SOURCE


def plan(rules: RuleSet, app_id: str, *, partitions: int, replication: int) -> list[Need]:
    """All of them, sources first."""
    sources = sorted({source.topic for source in rules.sources})
    needs = [
        Need(name, SOURCE, partitions, replication, made_with({}, replication), ("Describe", "Read"))
        for name in sources
    ]
    roles = {DECISIONS: DECISIONS, DEAD_LETTERS: DEAD_LETTERS, changelog_topic(app_id): CHANGELOG}
    for name, config in outputs(rules, app_id).items():
        # What was written is read back by a partition's next owner, so all of ours are read, too.
        operations = ("Describe", "Read", "Write")
        role = roles.get(name, CHANNEL)
        needs.append(Need(name, role, partitions, replication, made_with(config, replication), operations))
    return needs
