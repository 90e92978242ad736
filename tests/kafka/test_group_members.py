"""What the members of a group read, as its coordinator says it, or does not say it at the moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    NotCoordinatorError,
    RequestTimedOutError,
    UnknownError,
)

from stream.kafka.cluster import subscriptions
from stream.kafka.protocol import _SUBSCRIPTION

CLICKS = _SUBSCRIPTION.encode((1, ["clicks"]))


class Admin:
    """One whose coordinator answers so."""

    def __init__(self, state: str, *, error: int = 0, protocol: str = "faust", coordinator: int = 0) -> None:
        told = state == "Stable"
        members = [("m", None, "", "", CLICKS if told else b"", b""), ("n", "us", "", "", CLICKS, b"")]
        self.answer = (error, "shop", state, "consumer", protocol if told else "", members, 0)
        self.error = coordinator
        self._client = self

    async def find_coordinator(self, group: str) -> int:
        if self.error == NotCoordinatorError.errno:
            raise NotCoordinatorError
        return 1

    async def send(self, node: int, request: Any) -> Any:
        return SimpleNamespace(groups=[self.answer])


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        (Admin("Stable"), [frozenset({"clicks"})]),
        (Admin("Stable", protocol="range"), []),
        (Admin("Empty"), []),
        (Admin("Dead"), []),
        (Admin("PreparingRebalance"), None),
        (Admin("CompletingRebalance"), None),
        (Admin("Stable", error=14), None),
        (Admin("Stable", error=15), None),
        (Admin("Stable", error=16), None),
        (Admin("Stable", coordinator=16), None),
    ],
)
async def test_a_group_in_a_rebalance_counted_as_one_without_members(
    admin: Any, expected: list[frozenset[str]] | None
) -> None:
    """A worker with other sources joined it, and was given partitions of which it serves none."""
    assert await subscriptions(admin, "shop", "us") == expected


@pytest.mark.parametrize(
    ("code", "error"), [(30, GroupAuthorizationFailedError), (7, RequestTimedOutError), (-1, UnknownError)]
)
async def test_what_a_coordinator_refuses_is_no_empty_group(code: int, error: type[Exception]) -> None:
    admin: Any = Admin("", error=code)
    with pytest.raises(error):
        await subscriptions(admin, "shop", None)
