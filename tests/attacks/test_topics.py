"""Topics that no rule file can have: the program's own, Kafka's, and those that feed rules what they sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.check import check
from stream.settings import own_topics

RULES = """
sources:
  clicks: {{topic: {source}, event: event, customer: customer_id}}
channels:
  web: {{topic: {channel}, consent: none}}
rules:
  every-view: {{on: view, send: {{channel: web, content: {{text: Hello}}}}}}
"""
ENVIRONMENT = {
    "STREAM_APP_ID": "shop",
    "STREAM_DECISIONS_TOPIC": "shop.decisions",
    "STREAM_DEAD_LETTERS_TOPIC": "shop.dead",
    "STREAM_BROKER": "no address",  # what else is wrong with the settings is not for `check` to say
}
OWN = [
    *("decisions", "dead-letters", "shop.decisions", "shop.dead"),
    *("shop-customers-changelog", "shop-counts-changelog", "shop-rules"),
    *("__consumer_offsets", "__transaction_state"),
]


def found(folder: Path, **topics: str) -> list[str]:
    text = RULES.format(**{"source": "clicks", "channel": "triggers.web"} | topics)
    (folder / "rules.yaml").write_text(text)
    return [
        each.code.value
        for each in check(folder, own_topics(ENVIRONMENT, None)).diagnostics
        if each.code < "W"
    ]


@pytest.mark.parametrize("place", ["source", "channel"])
@pytest.mark.parametrize("topic", OWN)
def test_a_rule_file_with_the_programs_own_topic_stopped_the_worker_for_ever(
    tmp_path: Path, topic: str, place: str
) -> None:
    assert found(tmp_path, **{place: topic}) == ["E220"]


def test_one_event_gave_65000_triggers_in_ten_seconds_where_a_channel_is_a_source(tmp_path: Path) -> None:
    assert found(tmp_path, source="loop", channel="loop") == ["E202"]


@pytest.mark.parametrize("topic", ["shop-clicks", "rules.shop", "decisions.web", "_clicks"])
def test_a_topic_that_only_sounds_like_ours_is_the_teams(tmp_path: Path, topic: str) -> None:
    assert found(tmp_path, source=topic) == []
