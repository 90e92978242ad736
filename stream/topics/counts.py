"""How many partitions the topics must have: as many as where customers' state lies, in each source.

State lies in the changelog by partition. So where a changelog is there its count is right, and a source that
has another one was changed: adding partitions sends its customers to others than have their state. Never is
the changelog to follow. Pure. Tested by tests/topics/test_counts.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stream.topics.plan import CHANGELOG, SOURCE, Need


class Odd(NamedTuple):
    """Sources of another count than they must have, what is said of that, and what mends it."""

    topics: Sequence[str]
    message: str
    mend: str


def common(needs: Sequence[Need], counts: Mapping[str, int]) -> int | None:
    """The partition count that all sources must have, of those that topics have; None if none tells.

    Without a changelog the count of most, and the larger one of two. A changelog with more partitions than
    sources that agree was made so: the rest of it stays empty.
    """
    of_sources = Counter(_of(SOURCE, needs, counts).values())
    state = max(_of(CHANGELOG, needs, counts).values(), default=None)
    if state is not None and (len(of_sources) != 1 or max(of_sources) > state):
        return state
    return max(of_sources, key=lambda count: (of_sources[count], count), default=None)


def odd(needs: Sequence[Need], counts: Mapping[str, int]) -> Odd | None:
    """The sources that have another count than the common one."""
    wanted, sources = common(needs, counts), _of(SOURCE, needs, counts)
    topics = sorted(topic for topic, count in sources.items() if count != wanted)
    if not topics:
        return None
    right = _of(CHANGELOG, needs, counts) | {topic: n for topic, n in sources.items() if n == wanted}
    listed = ", ".join(f"{topic} has {sources[topic]} partitions" for topic in topics)
    others = ", ".join(f"{topic} has {count}" for topic, count in right.items())
    names = " and ".join(topics)
    return Odd(
        topics,
        f"{listed} and must have {wanted}, as all sources and customers' state: {others}",
        f"make {names} anew with {wanted} partitions: partitions that are added send customers away from "
        "their state, and altering another topic does not bring them back. To grow: "
        "docs/upgrade.md#more-partitions",
    )


def _of(role: str, needs: Sequence[Need], counts: Mapping[str, int]) -> dict[str, int]:
    return {need.name: counts[need.name] for need in needs if need.role == role and need.name in counts}
