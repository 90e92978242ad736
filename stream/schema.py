"""The JSON Schema (draft 7) of rule files, for editors: completion, hover texts, and red lines while typing.

Made of the tables in keys.py, from which the compiler takes its keys, too. It knows one file at a time: names
that are defined elsewhere, conditions and templates are left to `stream check`. `rules/schema.json` is what
`stream check --schema` prints; a rule file names it in its first line. Tested by tests/unit/test_schema.py,
and in an editor's language server, by tests/integration/test_editor.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stream import keys
from stream.keys import Key

Snippet = Mapping[str, Any]

_SOURCE_SNIPPET: Snippet = {
    "label": "source",
    "description": "A topic that carries events",
    "body": {
        "${1:clickstream}": {
            "event": "${2:event}",
            "customer": "${3:customer_id}",
            "time": "${4:ts}",
            "id": "${5:event_id}",
        }
    },
}
_TRAIT_SNIPPET: Snippet = {
    "label": "trait",
    "description": "How often something happened lately",
    "body": {"${1:purchases_30d}": {"function": "count", "of": "${2:purchase}", "over": "${3:30d}"}},
}
_CHANNEL_SNIPPET: Snippet = {
    "label": "channel",
    "description": "A topic that messages go to",
    "body": {"${1:email}": {"topic": "triggers.${1:email}", "consent": "none"}},
}
_RULE_SNIPPETS: tuple[Snippet, ...] = (
    {
        "label": "rule: answer at once",
        "description": "When this happens, and this is true of the customer, send that",
        "body": {
            "${1:my-rule}": {
                "describe": "${2:What it is for}",
                "on": "${3:purchase}",
                "if": "${4:traits.purchases_30d >= 2}",
                "send": {"channel": "${5:email}", "content": {"subject": "${6:Thank you}"}},
                "limit": "${7:1 per 7d}",
            }
        },
    },
    {
        "label": "rule: wait, and answer if something did not happen",
        "description": "When this happens and that does not follow, send a reminder",
        "body": {
            "${1:my-reminder}": {
                "describe": "${2:What it is for}",
                "on": "${3:add_to_cart}",
                "unless": {"on": "${4:purchase}", "within": "${5:30m}"},
                "send": {"channel": "${6:email}", "content": {"subject": "${7:Still thinking?}"}},
                "limit": "${8:1 per 7d}",
            }
        },
    },
)


def schema() -> dict[str, Any]:
    """The schema as JSON values."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rule file",
        "description": "Sources of events, traits of customers, channels and rules. Every key is optional.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "sources": _section(
                "Where events come from: one entry for each topic.", keys.NAME, keys.SOURCE, _SOURCE_SNIPPET
            ),
            "traits": _section(
                "What is known about a customer, kept up to date; conditions say `traits.NAME`.",
                keys.VARIABLE,
                keys.TRAIT,
                _TRAIT_SNIPPET,
                {
                    "if": {"properties": {"function": {"const": "count"}}},
                    "then": {"not": {"required": ["field"]}},
                    "else": {"required": ["field"]},
                },
            ),
            "channels": _section(
                "Where messages go: one topic for each channel.", keys.NAME, keys.CHANNEL, _CHANNEL_SNIPPET
            ),
            "rules": _section("What to watch for and what to send.", keys.NAME, keys.RULE, _RULE_SNIPPETS),
        },
    }


def schema_text() -> str:
    """The schema as it is printed and checked in."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _section(
    describe: str,
    name: str,
    known: Mapping[str, Key],
    snippets: Snippet | tuple[Snippet, ...],
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A mapping of names to definitions."""
    return {
        "description": describe,
        "type": "object",
        "patternProperties": {f"^{name}$": {**keys.mapping(known), **(more or {})}},
        "additionalProperties": False,
        "defaultSnippets": list(snippets) if isinstance(snippets, tuple) else [snippets],
    }
