"""Whether each customer's records are in one partition, by a sample of the sources.

Tested by tests/doctor/test_placement.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from aiokafka.errors import KafkaError

from stream.doctor.findings import Finding, error, ok, unknown, warning
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics.placement import HINT, Placed, problems, sample

CHECK = "customers"


async def findings(settings: Settings, rules: RuleSet, partitions: int) -> list[Finding]:
    """What a sample of the sources, of so many partitions each, tells."""
    try:
        samples = await sample(settings, rules.sources, partitions)
    except (KafkaError, TimeoutError) as failure:
        reason = f"the sources' records could not be sampled: {type(failure).__name__}"
        return [unknown(CHECK, reason, "grant Read on the sources' topics to this client")]
    return list(judged(samples, partitions))


def judged(samples: Mapping[str, Collection[Placed]], partitions: int) -> Iterator[Finding]:
    found = problems(samples, partitions)
    for each in found:
        yield (error if each.fatal else warning)(CHECK, each.message, HINT)
    if not found:
        count = len({customer for placed in samples.values() for customer, _ in placed})
        yield ok(CHECK, f"{count:,} of them sampled, each in one partition")
