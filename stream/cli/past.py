"""Past events as commands name them: files, or `kafka:` for the topics; and from when to when."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from stream.events._times import parse_time
from stream.history.event_files import Between, PastEvents, event_files
from stream.history.formats import encoding_of
from stream.history.inputs import KAFKA
from stream.history.progress import Progress
from stream.history.topics import Beginning
from stream.rules.model import RuleSet
from stream.settings import Settings, load
from stream.telemetry import logs


def between(since: str | None, until: str | None) -> Between:
    """The times of --since and --until. Raises BadParameter for what is none."""
    found = Between(_time("--since", since), _time("--until", until))
    if found.since is not None and found.until is not None and found.since >= found.until:
        raise typer.BadParameter("must be before --until", param_hint="--since")
    return found


def _time(option: str, text: str | None) -> int | None:
    time = None if text is None else parse_time(text)
    if text is not None and time is None:
        raise typer.BadParameter("not a time; write e.g. 2026-03-02T10:00:00Z", param_hint=option)
    return time


def _encoding(text: str) -> str:
    try:
        return encoding_of(text)
    except ValueError as error:
        raise typer.BadParameter(f"cannot be `{text[:40]}`: {error}", param_hint="--encoding") from None


def kafka_settings() -> Settings:
    """Of the Kafka that is read; what clients would log about it is not the user's business."""
    logs.configure("CRITICAL")
    return load(os.environ)


@contextmanager
def past_events(
    arguments: Sequence[str],
    rules: RuleSet,
    times: Between,
    *,
    progress: Progress,
    sort: bool = False,
    encoding: str | None = None,
    beginning: Beginning | None = None,
) -> Iterator[PastEvents]:
    """What a command line names; topics from `beginning` on. Raises EventFileError, BrokerError, and
    BadParameter of an encoding.
    """
    said = None if encoding is None else _encoding(encoding)
    if list(arguments) != [KAFKA]:
        with event_files(arguments, rules, times, sort=sort, encoding=said, progress=progress) as files:
            yield files
        return
    if said is not None:
        raise typer.BadParameter("goes with files alone", param_hint="--encoding")
    from stream.history.event_topics import event_topics  # not for files: it takes a while

    with event_topics(
        kafka_settings(), rules, times, sort=sort, progress=progress, beginning=beginning
    ) as topics:
        yield topics
