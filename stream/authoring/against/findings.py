"""All that a comparison found, as one object for programs: `--json`, and what summary, page and GitHub show.

Tested by tests/authoring/against/test_run.py and test_summary.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from stream.authoring.against.differences import KINDS, RuleDifferences
from stream.authoring.against.run import Comparison
from stream.authoring.backtest import findings as backtests
from stream.diagnostics import one_line
from stream.engine import PartitionState
from stream.rules.changes import keys_changed, renamed, rules_changed, sections_changed
from stream.rules.model import RuleSet

_NONE = RuleDifferences()
_TOGETHER = ("messages", "customers", "p99", "worst")


def as_object(found: Comparison, names: Mapping[str, str]) -> dict[str, Any]:
    """For programs: everything that was counted. `names`: the directories of `new` and `live`."""
    live, new = found.live.rules, found.new.rules
    played = {"live": backtests.as_object(found.live), "new": backtests.as_object(found.new)}
    rules = _rules(found, played)
    customers = max(each["customers"] for each in played.values())
    differences = found.differences
    fires: dict[str, Any] = {kind: sum(each[kind]["messages"] for each in rules.values()) for kind in KINDS}
    fires["customers"] = {kind: differences.by_kind[kind] for kind in KINDS}
    fires["customers"]["any"] = differences.customers
    fires["share"] = round(differences.customers / customers, 6) if customers else 0.0
    moves: Counter[tuple[str, str]] = Counter()
    for each in differences.rules.values():
        moves.update(each.moves)
    return {
        "new": {"rules": one_line(names["new"]), "revision": new.revision},
        "live": {"rules": one_line(names["live"]), "revision": live.revision},
        "events": played["new"]["events"],
        "customers": customers,
        "since": played["new"]["since"],
        "from": played["new"]["from"] or played["live"]["from"],
        "until": played["new"]["until"] or played["live"]["until"],
        "zone": played["new"]["zone"],
        "messages": fires,
        "unlike_decisions": differences.decisions,
        "moves": _moves(moves),
        "definitions": _definitions(live, new),
        "goes_live": _goes_live(found),
        "rules": rules,
        "per_customer": _per_customer(played),
        "segments": _segments(played),
        "backtests": played,
        "notes": played["new"]["notes"],
    }


def _rules(found: Comparison, played: Mapping[str, Any]) -> dict[str, Any]:
    live, new = found.live.rules, found.new.rules
    changes = rules_changed(live, new)
    keys = keys_changed(live, new, "rules", changes.changed)
    what = {name: kind for kind, names in changes._asdict().items() for name in names}
    called = renamed(live, new)
    before = {name: former for former, name in called.items()}
    return {
        name: {
            "definition": what[name],
            "keys": keys.get(name, []),
            "renamed_to": called.get(name),
            "renamed_from": before.get(name),
            **_rule(found.differences.rules.get(name, _NONE)),
            "matches": {side: each["rules"].get(name, {}).get("matches", 0) for side, each in played.items()},
            "sent": {
                side: each["rules"].get(name, {}).get("per_customer", {}).get("messages", 0)
                for side, each in played.items()
            },
            "instances_ended": found.ended[name],
            "put_off_ended": found.ended_put_off[name],
        }
        for name in sorted(what)
    }


def _rule(differences: RuleDifferences) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in KINDS:
        channels: Counter[str] = getattr(differences, kind)
        found[kind] = {"messages": channels.total(), "channels": dict(sorted(channels.items()))}
    found["changed"]["parts"] = dict(differences.parts.most_common())
    return {
        **found,
        "customers": differences.customers,
        "moves": _moves(differences.moves),
        "examples": [each._asdict() for each in differences.examples],
    }


def _moves(moves: Counter[Any]) -> list[dict[str, Any]]:
    ranked = sorted(moves.items(), key=lambda each: (-each[1], each[0]))
    return [{"live": live, "new": new, "count": count} for (live, new), count in ranked]


def _definitions(live: RuleSet, new: RuleSet) -> dict[str, Any]:
    """What else says something else: of each section the names that are added, removed and changed, these
    with their keys.
    """
    found: dict[str, Any] = {}
    for section, changes in sections_changed(live, new).items():
        keys = (
            dict.fromkeys(changes.changed, ())
            if section in ("policy", "segments")
            else keys_changed(live, new, section, changes.changed)
        )
        found[section] = {
            "added": list(changes.added),
            "removed": list(changes.removed),
            "changed": {name: list(keys[name]) for name in changes.changed},
        }
    return found


def _goes_live(found: Comparison) -> dict[str, Any]:
    """What a worker that takes the new set at the end of the history keeps, and what not."""
    live, new = found.live.rules, found.new.rules
    traits = sections_changed(live, new)["traits"]
    before, after = (PartitionState(each).customers.layout.slots()["counter"] for each in (live, new))
    return {
        "traits_anew": list(traits.changed),
        "traits_added": list(traits.added),
        "traits_removed": list(traits.removed),
        "limits_anew": sorted(after.keys() - before.keys()),
        "instances_ended": found.ended.total(),
        "put_off_ended": found.ended_put_off.total(),
    }


def _per_customer(played: Mapping[str, Any]) -> dict[str, Any]:
    """How much a customer gets from each side, by all channels (`all`) and by each."""
    channels = sorted({name for each in played.values() for name in each["messages"]["per_channel"]})
    nothing = dict.fromkeys(_TOGETHER, 0)
    return {
        "all": {
            side: {name: each["messages"]["per_customer"][name] for name in _TOGETHER}
            for side, each in played.items()
        },
        "channels": {
            channel: {
                side: {
                    name: each["messages"]["per_channel"].get(channel, nothing)[name] for name in _TOGETHER
                }
                for side, each in played.items()
            }
            for channel in channels
        },
    }


def _segments(played: Mapping[str, Any]) -> dict[str, dict[str, int | None]]:
    """Customers by segment; None where a side does not have it, or did not count it."""
    sizes = {side: each["segments"]["sizes"] for side, each in played.items()}
    names = sorted({name for each in sizes.values() for name in each})
    return {name: {side: each.get(name) for side, each in sizes.items()} for name in names}
