"""How large a batch topics take, asked of a Kafka that answers in every way that it can."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    NotControllerError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from structlog.testing import capture_logs

from stream.kafka import most_bytes
from stream.kafka.most_bytes import most_bytes_of

Said = int | type[Exception]


class Admin:
    """Answers each topic with what comes next of it; the last for ever."""

    def __init__(self, **topics: list[Said]) -> None:
        self.topics = topics
        self.asked: list[list[str]] = []

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        names = [each.name for each in resources]
        self.asked.append(names)
        return [SimpleNamespace(resources=[self._answer(name) for name in names])]

    def _answer(self, name: str) -> tuple[Any, ...]:
        said = self.topics[name]
        answer = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(answer, int):
            return 0, None, 2, name, [("max.message.bytes", str(answer)), ("cleanup.policy", "delete")]
        if answer is RequestTimedOutError:
            raise answer
        return answer.errno, None, 2, name, []  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(most_bytes, "RETRY_S", 0)


async def test_what_a_client_may_not_see_is_final_and_what_passes_is_asked_again() -> None:
    admin: Any = Admin(
        mails=[UnknownTopicOrPartitionError, NotControllerError, 5_000],
        web=[1_000],
        secret=[TopicAuthorizationFailedError],
    )
    with capture_logs() as said:
        assert await most_bytes_of(admin, ["mails", "web", "secret"]) == {"mails": 5_000, "web": 1_000}
    assert admin.asked == [["mails", "secret", "web"], ["mails"], ["mails"]]
    (line,) = said
    assert (line["event"], line["topic"]) == ("largest_record_not_known", "secret")


@pytest.mark.parametrize("error", [RequestTimedOutError, UnknownTopicOrPartitionError])
async def test_a_slow_kafka_was_taken_for_one_that_may_not_be_asked_and_messages_were_cut(
    error: type[Exception],
) -> None:
    """A worker went on with Kafka's default for topics that take more, and told people to grant rights."""
    admin: Any = Admin(mails=[error])
    with capture_logs() as said, pytest.raises(error):
        await most_bytes_of(admin, ["mails"])
    assert said == []
