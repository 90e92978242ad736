"""Whether a topic of ours is set as it must be, and what mends it: asked by a starting worker and the doctor.

Pure. Tested by tests/topics/test_fit.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stream.decisions.wire import DEAD_LETTERS
from stream.kafka.commands import set_topic
from stream.topics.plan import KEPT, LAG, RULES, SWITCHES, Need

LOST = {RULES: "old revisions", SWITCHES: "rules that are off"}  # where they are deleted by their age


@dataclass(frozen=True, slots=True)
class Misfit:
    """`stops`: a worker must not start with it. `grave`: something is lost, now or later."""

    topic: str
    message: str
    mend: str
    stops: bool = False
    grave: bool = True

    @property
    def said(self) -> str:
        """In one line."""
        return f"{self.topic}: {self.message}; mend it with `{self.mend}`"


def misfits_of(need: Need, config: Mapping[str, str], broker: str) -> Iterator[Misfit]:
    """Of one topic of ours and its settings in force."""
    policies = {each.strip() for each in config.get("cleanup.policy", "").split(",")}
    found = ",".join(sorted(policies))

    def mend(setting: str) -> str:
        return set_topic(broker, need.name, setting)

    if need.role in KEPT:
        if policies != {"compact"}:
            lost = LOST.get(need.role, "customers silent for long")
            message = f"cleanup.policy is {found}: {lost} are forgotten"
            yield Misfit(need.name, message, mend("cleanup.policy=compact"), stops=True)
        lag, wanted = config.get(LAG, ""), need.config.get(LAG)
        if lag.isdecimal() and wanted is not None and int(lag) > int(wanted):
            message = f"{LAG} is {int(lag):,}: what was replaced or deleted can lie there for ever"
            yield Misfit(need.name, message, mend(f"{LAG}={wanted}"), grave=False)
    elif need.is_ours and "compact" in policies:
        stops = need.role == DEAD_LETTERS
        message = "cleanup.policy has compact: "
        message += (
            "Kafka refuses a bad record without a key, and workers end"
            if stops
            else "of each customer only the last record is kept"
        )
        yield Misfit(need.name, message, mend("cleanup.policy=delete"), stops=stops)
