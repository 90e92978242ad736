"""`stream events infer`: what past events suggest, within bounds, and nothing of anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from stream.authoring import observed, tracking_plan
from stream.authoring.replay import ReplayedRecord
from stream.authoring.tracking_plan import Inferred, as_json, as_objects, as_yaml, infer, sources_of
from stream.cli.main import cli
from stream.demo.data import events as demo_events
from stream.rules.compiler.rule_set import check_rules
from stream.rules.files import collect
from stream.rules.model import RuleSet

RULES = Path(__file__).parents[2] / "rules"
SOURCES = """\
sources:
  clicks: {event: name, customer: user.id, time: ts, id: event_id}
  till: {event: {is: purchase}, customer: c}
  people: {kind: profile, customer: c}
  weather: {kind: context, customer: c, allow: [W510]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "sources.yaml").write_text(SOURCES)
    return tmp_path / "rules"


@pytest.fixture
def rules(folder: Path) -> RuleSet:
    return sources_of(folder)


def records(*events: Any, source: str = "clicks") -> Iterator[tuple[str, ReplayedRecord]]:
    for number, event in enumerate(events):
        value = event if isinstance(event, bytes) else orjson.dumps(event)
        yield source, ReplayedRecord(number, 0, value, place=f"file:{number + 1}")


def inferred(rules: RuleSet, *events: Mapping[str, Any]) -> dict[str, Any]:
    found = infer(rules, records(*({"name": "a", **event} for event in events)))
    described: dict[str, Any] = as_objects(found, rules)["events"]["a"]
    return described


@pytest.mark.parametrize(
    ("events", "fields"),
    [
        ([{"x": 1}, {"x": 2.5}], {"x": "number"}),
        ([{"x": True}], {"x": "boolean"}),
        ([{"x": "a"}], {"x": "string"}),
        ([{"x": "2026-03-02"}, {"x": "2026-03-02T10:00:00.123Z"}], {"x": "time"}),
        ([{"x": "2026-03-02"}, {"x": "soon"}], {"x": "string"}),
        ([{"x": [1]}], {"x": "list"}),
        ([{"x": {}}], {"x": "object"}),
        ([{"x": None}], {"x": "any"}),
        ([{"x": None}, {"x": 1}], {"x": "number"}),
        ([{"x": 1}, {"x": "a"}], {"x": "any"}),
        ([{"x": {"y": {"z": 1}}}, {"x": {"w": "a"}}], {"x.w": "string", "x.y.z": "number"}),
        ([{"x": {"y": 1}}, {"x": "a"}], {"x": "any"}),
        ([{"x": {"y": {"z": 1}}}, {"x": {"y": 5}}], {"x.y": "any"}),
        ([{"user": {"id": "c1", "plan": "pro"}, "ts": 5, "event_id": "e"}], {"user.plan": "string"}),
        ([{"source": "clicks", "x": 1}], {"x": "number"}),
        ([{"source": "newsletter"}], {"source": "string"}),
        ([{"größe": 1, "名": "a"}], {"größe": "number", "名": "string"}),
        (
            [{"coupon code": 1, "a.b": 1, "x[0]": 1, "": 1, "y": 1}],
            {"'coupon code'": "number", "'a.b'": "number", "'x[0]'": "number", "y": "number"},
        ),
        ([{"ada@mail.example": 1, "+1 202 555 0100": 1, "y": 1}], {"y": "number"}),
        ([{"by": {"ada@mail.example": 1}}, {"by": {"sku": 1}}], {"by": "object"}),
        ([{"by": {"sku": 1}}, {"by": {"sku": {"x": 1}, "0815 4711 42": 1}}], {"by": "object"}),
        (
            [{"deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}}],
            {"deep.a.b.c.d.e.f.g": "object"},
        ),
    ],
)
def test_fields_and_types(rules: RuleSet, events: list[dict[str, Any]], fields: dict[str, str]) -> None:
    assert inferred(rules, *events)["fields"] == fields


def visits(value: Any, *, customers: int = 10, times: int = 3, key: str = "kind") -> list[dict[str, Any]]:
    return [{"user": {"id": f"c{number}"}, key: value} for number in range(customers) for _ in range(times)]


def test_values_that_are_few_short_and_of_many_are_shown(rules: RuleSet) -> None:
    fields = inferred(rules, *visits("web"), *visits("app"))["fields"]
    assert fields == {"kind": {"type": "string", "values": ["app", "web"]}}


@pytest.mark.parametrize(
    "events",
    [
        [*visits("web"), *visits("rare", customers=2, times=1)],
        [*visits("web"), *visits("of one customer", customers=4, times=100)],
        [*visits("web"), *visits("ada@mail.example")],
        [*visits("web"), *visits("+49 221 12345")],
        [*visits("web"), *visits("4711081512")],
        [*visits("web"), *visits("192.168.0.1")],
        [*visits("web"), *visits("3f2504e04f89")],
        [*visits("web"), *visits("a text of more than two dozen letters")],
        visits("web"),
        [*visits("web"), *visits(5)],
        [*visits("web"), *visits("2026-03-02")],
        [event for number in range(13) for event in visits(f"kind {number}")],
        visits("Ada", key="first_name"),
        visits("Ada", key="userName"),
        visits("Cologne", key="city"),
        visits("red\x1b[0m"),
    ],
)
def test_values_that_may_be_somebodys_are_not_shown(rules: RuleSet, events: list[dict[str, Any]]) -> None:
    (field,) = inferred(rules, *events)["fields"].values()
    assert field in ("string", "any")


def test_profiles_show_which_attributes_there_are_and_none_of_their_values(rules: RuleSet) -> None:
    people = [
        {
            "c": f"c{n}",
            "attributes": {"status": "gold", "email": f"{n}@b.c"},
            "consents": {"mail": {"granted": True}},
        }
        for n in range(100)
    ]
    found = infer(rules, records(*people, source="people"))
    assert as_objects(found, rules)["sources"] == {
        "people": {"attributes": {"email": "string", "status": "string"}, "consents": ["mail"]}
    }
    written = as_yaml(found, rules)
    assert "gold" not in written
    assert "#   consents: [mail]\n#   attributes:\n#     email: string\n" in written


def test_context_shows_its_fields(rules: RuleSet) -> None:
    found = infer(rules, records({"c": "c1", "rain": True, "source": "weather"}, source="weather"))
    assert as_objects(found, rules)["sources"] == {"weather": {"fields": {"rain": "boolean"}}}


def test_what_could_not_be_read_is_said_with_its_place(rules: RuleSet) -> None:
    lines = [b"{", b"[1]", {"x": 1}, {"name": 5}, {"name": ""}, {"name": "ada@mail.example"}, {"name": "a"}]
    found = infer(rules, records(*lines))
    assert list(found.events) == ["a"]
    notes = list(tracking_plan.notes(found))
    assert [(each.partition(" of ")[0], each[-6:]) for each in notes[:3]] == [
        ("left out: 1 record", "file:1"),
        ("left out: 1 record", "file:2"),
        ("left out: 3 records", "file:3"),
    ]
    assert notes[3].startswith("left out: 1 event: the name looks like somebody's")
    assert "ada" not in as_yaml(found, rules) + as_json(found, rules)


@pytest.mark.parametrize("lines", [[], [b"a,b"], [{"x": 1}]])
def test_nothing_usable_is_an_error(rules: RuleSet, lines: list[Any]) -> None:
    with pytest.raises(tracking_plan.EventFileError):
        infer(rules, records(*lines))


def test_what_is_kept_is_bounded(rules: RuleSet) -> None:
    """Names, keys and values without end: memory does not grow with them, and a rule file holds the rest."""

    def many() -> Iterator[dict[str, Any]]:
        for number in range(3_000):
            yield {"name": f"event {number}", **{f"key_{number}_{each}": each for each in range(20)}}
            yield {
                "name": "wide",
                "by": {f"sku_{number}": number},
                f"own_{number}": number,
                "text": f"t{number}",
            }

    found = infer(rules, records(*many()))
    assert len(found.events) == tracking_plan.MAX_EVENTS
    assert sum(len(each.fields) for each in found.events.values()) <= observed.MAX_FIELDS
    assert found.room.fields >= 0
    assert found.events["wide"].is_open
    assert found.left_out["event", ": a name beyond the first 500"] == 3_000 - 499


def test_an_object_with_very_many_keys_has_none_that_are_names(rules: RuleSet) -> None:
    events = [{"by": {f"sku_{number}": {"n": 1}}} for number in range(observed.MAX_KEYS + 1)]
    assert inferred(rules, *events)["fields"] == {"by": "object"}


def holds(folder: Path, text: str) -> list[str]:
    (folder / "plan.yaml").write_text(text)
    return [str(each) for each in check_rules(folder).diagnostics]


def test_the_demos_events_give_a_plan_that_the_example_rules_fit(tmp_path: Path) -> None:
    """What is written is read again, and nothing in the rules or their tests is against it."""
    rules = sources_of(RULES)
    lines = ((each.topic, ReplayedRecord(0, 0, each.value)) for each in demo_events())
    found = infer(rules, lines)
    written = as_yaml(found, rules)
    for file in RULES.rglob("*.yaml"):
        (tmp_path / file.relative_to(RULES)).parent.mkdir(exist_ok=True)
        (tmp_path / file.relative_to(RULES)).write_text(file.read_text())
    assert holds(tmp_path, written) == []
    assert "@" not in written
    fields = yaml.safe_load(written)["events"]["purchase"]["fields"]
    assert fields.items() >= {"amount": "number", "session": "string"}.items()


def named(name: str) -> dict[str, Any]:
    return {"name": name}


names = st.text(min_size=1, max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(names, values, max_size=5) | names.map(lambda name: {"name": name}), max_size=6)
)
def test_whatever_was_read_what_is_written_is_a_plan(folder: Path, events: list[dict[str, Any]]) -> None:
    rules = sources_of(folder)
    try:
        lines = list(records({"name": "a"}, *events))
    except orjson.JSONEncodeError:  # half a character
        return
    found = infer(rules, lines)
    assert holds(folder, as_yaml(found, rules)) == []
    assert yaml.safe_load(as_yaml(found, rules))["events"] == as_objects(found, rules)["events"]
    json.loads(as_json(found, rules))


@pytest.mark.parametrize(
    "name", ["on", "yes", "null", "5", "- a", "{a}", "a: b", "#", "é\n\x07", "\u2028", "z" * 256, "'", '"\\']
)
def test_any_name_can_be_written(folder: Path, name: str) -> None:
    rules = sources_of(folder)
    found = infer(rules, records({"name": name}))
    assert holds(folder, as_yaml(found, rules)) == []
    assert list(as_objects(found, rules)["events"]) == [name, "purchase"]
    assert set(collect(folder)[0].events) == {name, "purchase"}


# ---- the command ----


def run(*arguments: str, given: str = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["events", "infer", *arguments], input=given)
    return done.exit_code, done.stdout, done.stderr + str(done.exception or "")


LINES = '{"name": "view", "user": {"id": "c"}, "price": 5}\n{"source": "tills"}\nnothing\n'


def test_the_command_writes_a_rule_file_and_says_what_it_could_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(LINES)
    code, out, said = run(str(tmp_path / "events.jsonl"), "--rules", str(folder))
    assert code == 0
    view = {"source": "clicks", "fields": {"price": "number"}}
    assert yaml.safe_load(out) == {"events": {"view": view, "purchase": {"source": "till"}}}
    assert said.splitlines()[0] == "1 event of 1 name"
    assert "left out: 1 record of clicks: no JSON object (one JSON object a line" in said
    assert "1 line of `tills` left out: no source, first" in said


def test_names_were_shown_where_only_what_they_stand_in_sounds_like_a_person(folder: Path) -> None:
    visits = [
        {"name": "view", "user": {"id": f"c{n % 20}", "first": "Anna" if n % 2 else "Ben"}}
        for n in range(200)
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in visits))
    _, out, _ = run(str(folder / "events.jsonl"), "--rules", str(folder))
    assert "user.first: string" in out
    assert "Anna" not in out


def test_the_command_writes_json_and_to_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(LINES)
    arguments = [str(tmp_path / "events.jsonl"), "--rules", str(folder), "--json"]
    code, out, _ = run(*arguments, "--out", str(tmp_path / "plan.json"))
    assert (code, out) == (0, "")
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["events"]["view"] == {"source": "clicks", "fields": {"price": "number"}}
    assert [each["count"] for each in written["left_out"]] == [1]
    code, _, said = run(*arguments, "--out", str(tmp_path / "nowhere" / "plan.json"))
    assert (code, "no such folder" in said) == (1, True)


def test_rules_with_mistakes_do_not_stand_in_the_way(folder: Path, tmp_path: Path) -> None:
    """The old plan lacks an event, so the rules are refused: just then a new one is needed."""
    (folder / "more.yaml").write_text("events: {old: {}}\ntraits: {t: {function: count, of: view}}\n")
    assert check_rules(folder).rules is None
    (tmp_path / "events.jsonl").write_text(LINES)
    assert run(str(tmp_path / "events.jsonl"), "--rules", str(folder))[0] == 0


def test_rules_without_sources_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("events: {old: {}}\n")
    code, _, said = run("-", "--rules", str(tmp_path))
    assert (code, "no source of events in" in said) == (1, True)


def test_found_is_empty_at_first() -> None:
    assert Inferred().events == {}
