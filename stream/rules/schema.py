"""The JSON Schema (draft 7) of rule files, for editors: completion, hover texts, and red lines while typing.

Made of the tables in keys.py, from which the compiler takes its keys, too. It knows one file at a time: names
that are defined elsewhere, conditions and templates are left to `stream check`. `rules/schema.json` is what
`stream check --schema` prints; a rule file names it in its first line. Tested by tests/rules/test_schema.py,
and in an editor's language server, by tests/integration/test_editor.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from stream.rules import forms, keys
from stream.rules.aggregates import AGGREGATES, with_k
from stream.rules.forms import Form, mapping

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
_PROFILE_SNIPPET: Snippet = {
    "label": "source of profiles",
    "description": "A topic that carries attributes and consents of customers",
    "body": {"${1:profiles}": {"kind": "profile", "customer": "${2:customer_id}"}},
}
_CONTEXT_SNIPPET: Snippet = {
    "label": "source of context",
    "description": "A topic that carries what third parties know of customers",
    "body": {"${1:weather}": {"kind": "context", "customer": "${2:customer_id}", "time": "${3:ts}"}},
}
_TRAIT_SNIPPET: Snippet = {
    "label": "trait",
    "description": "How often something happened lately",
    "body": {"${1:purchases_30d}": {"function": "count", "of": "${2:purchase}", "over": "${3:30d}"}},
}
_SEGMENT_SNIPPET: Snippet = {
    "label": "segment",
    "description": "A condition with a name",
    "body": {"${1:loyal}": "${2:traits.purchases_30d >= 2}"},
}
_CHANNEL_SNIPPET: Snippet = {
    "label": "channel",
    "description": "A topic that messages go to",
    "body": {
        "${1:email}": {
            "topic": "triggers.${1:email}",
            "consent": "${2:marketing_email}",
            "address": "${3:customer.email}",
            "cap": "${4:1 per 1d}",
            "quiet": "${5:21:00-08:00}",
        }
    },
}
_POLICY_SNIPPET: Snippet = {
    "label": "policy",
    "description": "What holds for all rules",
    "body": {"timezone": "${1:Europe/Berlin}", "cap": "${2:3 per 7d}", "stale_after": "${3:15m}"},
}
_TEST_SNIPPET: Snippet = {
    "label": "test",
    "description": "What happens to a customer, and what is to be sent",
    "body": [
        {
            "name": "${1:what it shows}",
            "events": [{"at": "0m", "event": "${2:purchase}"}],
            "expect": [],
        }
    ],
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
                "goal": {"on": "${8:purchase}", "within": "${9:3d}"},
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
                "goal": {"on": "${9:purchase}", "within": "${10:3d}"},
            }
        },
    },
)


def schema() -> dict[str, Any]:
    """The schema as JSON values."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rule file",
        "description": "What is known of customers, what to watch for, what to send. Every key is optional.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "sources": _section(
                "Where events come from: one entry for each topic.",
                forms.NAME,
                mapping(keys.SOURCE),
                (_SOURCE_SNIPPET, _PROFILE_SNIPPET, _CONTEXT_SNIPPET),
                _if(_is("kind", "profile", "context"), _without("event"), _needs("event")),
                _if(_is("kind", "profile", "context"), _without("dedupe"), {}),
                _if(_needs("dedupe"), _needs("id"), {}),
                _if(_is("kind", "profile"), {}, {"allOf": [_without("attributes"), _without("consents")]}),
                _if(_is("kind", "context"), {}, _without("fields")),
            ),
            "events": _section(
                "The tracking plan: which events there are. Every name is held against it.",
                forms.EVENT_NAME,
                mapping(keys.PLANNED_EVENT),
                (),
            ),
            "traits": _section(
                "What is known about a customer, kept up to date; conditions say `traits.NAME`.",
                forms.VARIABLE,
                mapping(keys.TRAIT),
                (_TRAIT_SNIPPET,),
                _if(
                    _is("function", *_WITHOUT_FIELD, *_LISTS),
                    {"allOf": [_without("field"), _without("value")]},
                    {"oneOf": [_needs("field"), _needs("value")]},
                ),
                _if(_is("function", *with_k()), {}, _without("k")),
                _if(_needs("items"), _without("value"), {}),
                _if(
                    _is("function", *_LISTS),
                    {**_needs("fields"), **_without("per"), "dependencies": {"remove": ["key"]}},
                    {"allOf": [_without(key) for key in ("fields", "key", "remove", "most")]},
                ),
            ),
            "segments": _section(
                "Named conditions of a customer; others say `segments.NAME`.",
                forms.VARIABLE,
                {"description": "When a customer belongs to it.", **keys.SEGMENT},
                (_SEGMENT_SNIPPET,),
            ),
            "channels": _section(
                "Where messages go: one topic for each channel.",
                forms.NAME,
                mapping(keys.CHANNEL),
                (_CHANNEL_SNIPPET,),
            ),
            "policy": {
                "description": "What holds for all rules.",
                **mapping(keys.POLICY),
                "defaultSnippets": [_POLICY_SNIPPET],
            },
            "rules": _section(
                "What to watch for and what to send.",
                forms.NAME,
                _rule(),
                _RULE_SNIPPETS,
                {"oneOf": [_needs("on"), _needs("steps"), _needs("every"), _needs("date")]},
                _if(
                    {"anyOf": [_needs("every"), _needs("date")]},
                    {"allOf": [_without(each) for each in keys.OF_EVENTS]},
                    {},
                ),
                {"not": {"required": ["goal", "goals"]}},
                _if(_needs("steps"), _without("where"), {}),
            ),
            "tests": {
                "description": "What the rules are to do: `stream test` plays it to them.",
                "type": "array",
                "items": mapping(keys.TEST),
                "defaultSnippets": [_TEST_SNIPPET],
            },
        },
    }


_WITHOUT_FIELD = [each.name for each in AGGREGATES.values() if each.takes is None]
_LISTS = [each.name for each in AGGREGATES.values() if each.takes == "fields"]


def _rule() -> dict[str, Any]:
    """A rule's keys, with what one of them forbids of another."""
    form = copy.deepcopy(dict(mapping(keys.RULE)))
    form["properties"]["send"]["oneOf"] = [_needs("content"), _needs("variants")]
    form["properties"]["every"]["allOf"] = [
        {"oneOf": [_needs(unit) for unit in keys.UNITS]},
        _if(_needs("day"), _without("at"), _needs("at")),
        _if(_needs("before"), _needs("year"), {}),
    ]
    steps = form["properties"]["steps"]
    step = steps["items"]
    steps["items"], steps["additionalItems"] = [{**step, **_without("within")}], step
    return form


def _is(key: str, *values: str) -> dict[str, Any]:
    return {"properties": {key: {"enum": list(values)}}, "required": [key]}


def _needs(key: str) -> dict[str, Any]:
    return {"required": [key]}


def _without(key: str) -> dict[str, Any]:
    return {"not": {"required": [key]}}


def _if(condition: Form, then: Form, otherwise: Form) -> dict[str, Any]:
    return {"if": condition, "then": then, "else": otherwise}


def schema_text() -> str:
    """The schema as it is printed and checked in."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _section(
    describe: str, name: str, form: Form, snippets: tuple[Snippet, ...], *more: Form
) -> dict[str, Any]:
    """A mapping of names to definitions, for which `more` must hold, too."""
    return {
        "description": describe,
        "type": "object",
        "patternProperties": {f"^{name}$": {**form, **({"allOf": list(more)} if more else {})}},
        "additionalProperties": False,
        "errorMessage": f"Names, each with its definition. A name: {forms.MEANT[name].lower()}",
        "defaultSnippets": list(snippets),
    }
