"""Whether a topic of ours is set as it must be."""

from __future__ import annotations

import pytest

from stream.topics.fit import misfits_of
from stream.topics.plan import Need

DELETE, COMPACT = {"cleanup.policy": "delete"}, {"cleanup.policy": "compact"}
LAG = "max.compaction.lag.ms"


@pytest.mark.parametrize(
    ("role", "config", "stops", "mend"),
    [
        ("changelog", DELETE, True, "cleanup.policy=compact"),
        ("changelog", {"cleanup.policy": "compact,delete"}, True, "cleanup.policy=compact"),
        ("changelog", COMPACT | {LAG: str(2**63 - 1)}, False, f"{LAG}=3600000"),
        ("rules", DELETE, True, "cleanup.policy=compact"),
        ("dead-letters", COMPACT, True, "cleanup.policy=delete"),
        ("decisions", COMPACT, False, "cleanup.policy=delete"),
        ("channel", COMPACT, False, "cleanup.policy=delete"),
    ],
)
def test_a_setting_that_loses_something_is_named_with_what_mends_it(
    role: str, config: dict[str, str], stops: bool, mend: str
) -> None:
    need = Need("t", role, 1, 1, {LAG: "3600000"}, ())
    (found,) = misfits_of(need, config, "k:1")
    alter = "kafka-configs.sh --bootstrap-server k:1 --alter --entity-type topics --entity-name t"
    assert (found.stops, found.mend) == (stops, f"{alter} --add-config {mend}")


@pytest.mark.parametrize(
    ("role", "config"),
    [
        ("changelog", COMPACT | {LAG: "3600000"}),
        ("rules", COMPACT | {LAG: "1000"}),
        ("dead-letters", DELETE),
        ("source", COMPACT),
        ("changelog", COMPACT),  # a Kafka that does not tell the lag
    ],
)
def test_what_is_as_it_must_be_is_left_alone(role: str, config: dict[str, str]) -> None:
    assert not list(misfits_of(Need("t", role, 1, 1, {LAG: "3600000"}, ()), config, "k:1"))
