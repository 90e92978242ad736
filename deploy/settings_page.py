"""docs/settings.md, made of the settings' class: `make settings` writes it anew.

What a setting is called, means and defaults to comes from the class; here is in which order they are shown,
and who needs them. Tested by tests/project/test_settings.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from stream.settings import PREFIX, SECRETS, Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
INTRODUCTION = """\
# Settings

A worker reads its settings once, at the start: from flags, from environment variables, and from a file
`.env` in the folder where it is started. Flags win over variables, and variables over the file. An empty
value counts as not given. `STREAM_HTTP_PORT` is the flag `--http-port`. An unknown `STREAM_…` variable is
an error; all problems are reported at once. `stream worker --check` tests the settings, and with them Kafka,
topics and rules.

`make settings` writes this page from the class that reads the settings.
"""


class Group(NamedTuple):
    """Settings that belong together. `needed_by`: a sentence on who needs them."""

    title: str
    needed_by: str
    names: tuple[str, ...]


GROUPS = (
    Group(
        "Kafka and rules",
        "Every worker needs them. Workers with the same `STREAM_APP_ID` share the work.",
        ("broker", "app_id", "rules", "instance_id", "replication"),
    ),
    Group(
        "Topics",
        "For several apps on one Kafka, and for promises on when what is deleted is gone.",
        ("decisions_topic", "dead_letters_topic", "compaction_lag"),
    ),
    Group(
        "Customers' state",
        "For more customers than memory, and for restarts in seconds; see [sizing](sizing.md).",
        ("store", "data_dir", "store_memory", "store_customers", "standby_replicas"),
    ),
    Group(
        "Pace",
        "The defaults suit most loads; `STREAM_CLOCK` is for replays.",
        (
            *("clock", "commit_interval", "session_timeout", "stuck_after", "max_in_flight"),
            "skip",
            "max_fetch_bytes",
            "fetch_linger",
        ),
    ),
    Group(
        "Metrics, logs and traces",
        "For those who operate workers; see [metrics](metrics.md) and [operating](operating.md). "
        "Traces need the extra `otel`.",
        ("http_host", "http_port", "log_level", "log_format", "trace_share"),
    ),
    Group(
        "TLS and SASL",
        "For a Kafka that is protected; see the [security model](security.md). A secret is never a flag; "
        "`…_FILE` names a file that holds it.",
        (
            *("security_protocol", "sasl_mechanism", "sasl_username", "sasl_password"),
            *("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_password"),
        ),
    ),
)


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(line for group in GROUPS for line in _section(group))])


def _section(group: Group) -> Iterator[str]:
    yield f"## {group.title}\n"
    yield f"{group.needed_by}\n"
    yield "| variable | default | values | what it is |"
    yield "|---|---|---|---|"
    for name in group.names:
        field = Settings.model_fields[name]
        variable = f"{PREFIX}{name.upper()}"
        shown = f"`{variable}`" + (f", `{variable}_FILE`" if name in SECRETS else "")
        default = "" if field.default is None else f"`{field.default}`"
        yield f"| {shown} | {default} | {values(field)} | {field.description} |"
    yield ""


def values(field: FieldInfo) -> str:
    """The values that a setting may have, where there are few or they have bounds."""
    annotation: Any = field.annotation
    for each in (annotation, *get_args(annotation)):
        if get_origin(each) is Literal:
            return ", ".join(f"`{value}`" for value in get_args(each))
    low = next((each.ge for each in field.metadata if isinstance(each, Ge)), None)
    high = next((each.le for each in field.metadata if isinstance(each, Le)), None)
    if low is None and high is None:
        return ""
    return f"{low} or more" if high is None else f"{low} to {high}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
