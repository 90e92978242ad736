"""Rules compiled: everything wrong found in one run, names resolved, ids that follow the meaning."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.content.template import Template
from stream.diagnostics import Code
from stream.errors import RuleFileError
from stream.expression import parse
from stream.rules import keys
from stream.rules.compiler.rule_set import check_rules, load_rules
from stream.rules.durations import MAX_MS, format_duration, format_rate, parse_duration, parse_rate
from stream.rules.model import (
    Channel,
    Limit,
    Policy,
    Rule,
    RuleSet,
    Source,
    Step,
    Trait,
    Unless,
)
from stream.rules.testcases import Expectation
from stream.worker import compile_process as compilation

DATA = Path(__file__).parent / "data"
GOOD = """\
sources:
  clickstream: {event: event, customer: customer_id, time: ts, id: event_id}
  orders: {topic: shop.orders, event: {is: purchase}, customer: customer.id}
traits:
  views: {function: count, of: [product_view, page_view], per: category, where: event.price >= 50, over: 7d}
  spend: {function: sum, of: purchase, field: cart.amount}
  store: {function: last, of: purchase, field: store}
channels:
  web: {topic: triggers.web, consent: none, address: event.session.id}
  email: {topic: triggers.email, consent: none}
rules:
  cart-left:
    describe: A cart left behind
    on: [wish, add_to_cart]
    where: event.price >= 50
    unless: {on: purchase, within: 30m, where: event.price > 1}
    if: >-
      traits.views[event.category] >= 2
      && !(traits.spend > 500)
    send:
      channel: [web]
      content: {title: "Still {{ event.category }}?", body: "{{ traits.views[event.category] }}"}
    limit: 1 per 7d
    priority: 50
  at-once: {on: purchase, send: {channel: email, content: {text: Hi}}}
  before-the-others: {on: purchase, send: {channel: email, content: {text: Hi}}, priority: 60}
"""


def compiled(directory: Path, *texts: str) -> RuleSet:
    """The rule set of files with these texts."""
    directory.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (directory / f"{number}.yaml").write_text(text)
    return load_rules(directory)


def by_name(rules: RuleSet) -> dict[str, Rule]:
    return {rule.name: rule for rule in rules.rules}


# ---- what is found wrong ----


@pytest.mark.parametrize("bad", sorted(DATA.glob("*.bad.yaml")), ids=lambda path: path.name)
def test_findings_of_bad_files(bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every finding, with its place and its hint, stands in the `.txt` beside the file."""
    monkeypatch.chdir(tmp_path)
    Path("rules").mkdir()
    shutil.copy(bad, "rules")
    with pytest.raises(RuleFileError) as caught:
        load_rules(Path("rules"))
    assert f"{caught.value}\n" == bad.with_suffix(".txt").read_text()


def test_findings_of_all_files_come_in_one_run(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError) as caught:
        compiled(tmp_path / "r", GOOD, "rules:\n  a: {on: x}\n", "rulez: {}\n", "rules: {a: {}}")
    messages = [each.message for each in caught.value.diagnostics]
    assert "rule `a` needs `send`" in messages
    assert "unknown key `rulez`" in messages
    assert messages.count("rule `a` is defined twice") == 2


def test_a_name_from_a_file_that_cannot_be_read_is_not_called_unknown(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError) as caught:
        compiled(
            tmp_path / "r",
            "sources: {s: {event: e, customer: c}}\ntraits: {t: [",
            "rules:" + GOOD.partition("\nrules:")[2],
        )
    assert all("not YAML" in each.message for each in caught.value.diagnostics)


KEYS = {
    "sources": keys.SOURCE,
    "traits": keys.TRAIT,
    "channels": keys.CHANNEL,
    "rules": keys.RULE,
}


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, known in KEYS.items() for key in known]
)
def test_no_key_takes_nonsense(tmp_path: Path, section: str, key: str) -> None:
    """A key that is accepted is looked at: none of them takes a nested list."""
    with pytest.raises(RuleFileError) as caught:
        compiled(tmp_path / "r", f"{section}: {{x: {{{key}: [[[a]]]}}}}")
    column = len(f"{section}: {{x: {{")
    assert any(
        each.location.column > column and "needs" not in each.message for each in caught.value.diagnostics
    )


# ---- what it becomes ----


def test_a_good_file_compiles_to_what_it_says(tmp_path: Path) -> None:
    rules = compiled(tmp_path / "r", GOOD)
    web = Channel("web", "triggers.web", address=("event", "session", "id"))
    email = Channel("email", "triggers.email")
    assert rules.sources == (
        Source("clickstream", "clickstream", ("customer_id",), ("event",), None, ("ts",), ("event_id",)),
        Source("orders", "shop.orders", ("customer", "id"), None, "purchase"),
    )
    assert [replace(trait, stable_id="") for trait in rules.traits] == [
        Trait("spend", "", "sum", ("purchase",), ("cart", "amount")),
        Trait("store", "", "last", ("purchase",), ("store",)),
        Trait("views", "", "count", ("page_view", "product_view"), None, 0, ("category",), 604_800_000),
    ]
    assert rules.channels == (email, web)
    assert rules.predicates == (parse("event.price >= 50"), parse("event.price > 1"))
    said = {"text": Template("Hi")}
    assert [replace(rule, stable_id="") for rule in rules.rules] == [
        Rule("before-the-others", "", (Step(("purchase",)),), (email,), content=said, priority=60),
        Rule(
            name="cart-left",
            stable_id="",
            steps=(Step(("add_to_cart", "wish"), 0),),
            channels=(web,),
            unless=Unless(("purchase",), 1_800_000, 1),
            condition=parse("traits.views[event.category] >= 2 && !(traits.spend > 500)"),
            content={
                "title": Template("Still {{ event.category }}?"),
                "body": Template("{{ traits.views[event.category] }}"),
            },
            limit=Limit(1, 604_800_000),
            priority=50,
            describe="A cart left behind",
        ),
        Rule("at-once", "", (Step(("purchase",)),), (email,), content=said),
    ]


def test_the_dump_is_readable(tmp_path: Path) -> None:
    rules = compiled(tmp_path / "r", GOOD)
    cart = by_name(rules)["cart-left"]
    assert rules.dump().startswith(
        f"rule set {rules.revision}\nsource clickstream: topic clickstream, event event,"
    )
    assert "count of page_view | product_view, where #0, per category, over 7d\n" in rules.dump()
    assert "predicate #1: event.price > 1\n" in rules.dump()
    assert f"""\
rule cart-left [{cart.stable_id}] priority 50
  on add_to_cart | wish, where #0
  unless purchase, where #1, within 30m
  if traits.views[event.category] >= 2 && !(traits.spend > 500)
  limit 1 per 7d
  send web
    title: 'Still {{{{ event.category }}}}?'
    body: '{{{{ traits.views[event.category] }}}}'
rule at-once""" in rules.dump()


# ---- ids ----


def test_how_and_where_it_is_written_changes_no_id(tmp_path: Path) -> None:
    before = compiled(tmp_path / "one", GOOD)
    sections = GOOD.replace("traits:\n", "\0traits:\n").replace("channels:\n", "\0channels:\n")
    sections = sections.replace("rules:\n", "\0rules:\n").replace(
        "event.price >= 50", "(event.price>=50) // as is"
    )
    sections = sections.replace("over: 7d", "over: 1w").replace(
        "[wish, add_to_cart]", "['add_to_cart', wish]"
    )
    sections = sections.replace("per: category, where", "where").replace(
        "over: 1w", "over: 1w, per: category"
    )
    after = compiled(tmp_path / "two", *reversed(sections.split("\0")))
    assert after == before
    assert len(list((tmp_path / "two").iterdir())) == 4


CHANGES = [
    ("event.price >= 50, over", "event.price >= 51, over", {"views"}),
    ("over: 7d", "over: 8d", {"views"}),
    ("field: cart.amount", "value: double(event.cart.amount)", {"spend"}),
    ("channels:\n", "  new: {function: sum, of: a, value: event.x * 2}\nchannels:\n", {"new"}),
    ("where: event.price >= 50\n", "where: event.price >= 51\n", {"cart-left"}),
    ("event.price > 1}", "event.price > 2}", {"cart-left"}),
    ("within: 30m", "within: 31m", {"cart-left"}),
    ("[event.category] >= 2", "[event.category] >= 3", set()),
    ("1 per 7d", "2 per 7d", set()),
    ("Still {{", "Still  {{", set()),
    ("priority: 50", "priority: 51", set()),
    ("[web]", "[email]", set()),
    ("priority: 50", "priority: 50\n    wait: 1h", {"cart-left"}),
    ("priority: 50", "priority: 50\n    again: keep", {"cart-left"}),
    ("priority: 50", "priority: 50\n    key: event.sku", {"cart-left"}),
    ("priority: 50", "priority: 50\n    group: g", set()),
    ("priority: 50", "priority: 50\n    holdout: 1%", set()),
    ("priority: 50", "priority: 50\n    goal: {on: a, within: 1d}", set()),
    ("priority: 50", "priority: 50\n    stale_after: 1d", set()),
    ("priority: 50", "priority: 50\n    quiet: drop", set()),
    ("channels:\n", "policy: {timezone: UTC}\nchannels:\n", set()),
    ("channels:\n", "segments: {a: customer.vip}\nchannels:\n", set()),
    ("A cart left behind", "A cart", set()),
    ("triggers.web", "triggers.site", set()),
    ("customer.id}", "customer_id}", set()),
]


@pytest.mark.parametrize(("old", "new", "changed"), CHANGES, ids=[old for old, _, _ in CHANGES])
def test_a_change_changes_its_own_id_and_the_revision(
    tmp_path: Path, old: str, new: str, changed: set[str]
) -> None:
    assert old in GOOD
    before, after = compiled(tmp_path / "one", GOOD), compiled(tmp_path / "two", GOOD.replace(old, new))

    def ids(rules: RuleSet) -> dict[str, str]:
        return {each.name: each.stable_id for each in (*rules.traits, *rules.rules)}

    assert {name for name, stable_id in ids(after).items() if ids(before).get(name) != stable_id} == changed
    assert before.revision != after.revision


def test_ids_do_not_depend_on_the_version_of_python_or_the_run(tmp_path: Path) -> None:
    """A stored customer's parts are found by them."""
    rules = compiled(tmp_path / "r", GOOD)
    assert [trait.stable_id for trait in rules.traits] == [
        "8b9225a0ba439e56",
        "8a120f76011d2770",
        "b6bf8a03c8c65b39",
    ]
    assert by_name(rules)["cart-left"].stable_id == "a46445080e55397f"
    assert rules.revision == "bcb1ba373ce1db0e"


# ---- the whole language ----

TEN = DATA / "ten-rules.yaml"


def test_the_dump_of_ten_rules(tmp_path: Path) -> None:
    """After a change that is meant: `STREAM_WRITE_GOLDEN=1 pytest tests/rules/test_compiler.py`."""
    text = compiled(tmp_path / "r", TEN.read_text()).dump()
    golden = TEN.with_suffix(".txt")
    if os.environ.get("STREAM_WRITE_GOLDEN") == "1":
        golden.write_text(text)
    assert text == golden.read_text()


def test_ten_rules_have_no_findings(tmp_path: Path) -> None:
    shutil.copy(TEN, tmp_path)
    assert check_rules(tmp_path).diagnostics == ()


def test_a_where_that_names_an_earlier_step_is_no_shared_predicate(tmp_path: Path) -> None:
    rule = by_name(compiled(tmp_path / "r", TEN.read_text()))["browse-then-basket"]
    first, second = rule.steps
    assert (first.compares, first.name, first.within) == (None, "viewed", None)
    assert first.where is not None
    assert (second.where, second.compares) == (None, parse("event.sku == viewed.sku"))
    assert second.within == 3_600_000
    assert rule.unless is not None
    assert (rule.unless.where, rule.unless.compares) == (None, parse("event.sku == viewed.sku"))


def test_segments_come_after_those_that_they_name(tmp_path: Path) -> None:
    rules = compiled(tmp_path / "r", TEN.read_text())
    names = [each.name for each in rules.segments]
    assert names.index("employee") < names.index("loyal") < names.index("best")


def test_shares_are_hundredths_of_a_per_cent(tmp_path: Path) -> None:
    rules = compiled(tmp_path / "r", TEN.read_text())
    assert rules.policy.holdout == 50
    assert [each.share for each in by_name(rules)["welcome"].variants] == [3333, 3333, 3334]


def test_a_profile_source_has_no_event(tmp_path: Path) -> None:
    (profiles,) = [
        each for each in compiled(tmp_path / "r", TEN.read_text()).sources if each.kind == "profile"
    ]
    assert (profiles.event, profiles.constant) == (None, None)


def test_the_tests_are_read_and_are_no_part_of_the_rule_set(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEN.read_text())
    before = check_rules(tmp_path)
    (cancelled, sent) = before.tests
    assert cancelled.rule == "cart-abandoned"
    assert cancelled.expect == ()
    assert [(each.at, each.name, each.source) for each in cancelled.events] == [
        (0, "add_to_cart", None),
        (600_000, "purchase", "transactions"),
    ]
    assert cancelled.events[0].fields == {"price": 80, "category": "shoes"}
    assert cancelled.customer.consents == {"marketing_email": {}}
    assert sent.expect == (Expectation(1_800_000, channel="email", content={"subject": "Still shoes?"}),)
    (tmp_path / "a.yaml").write_text(TEN.read_text().partition("\ntests:")[0])
    after = check_rules(tmp_path)
    assert (after.tests, after.rules) == ((), before.rules)


@pytest.mark.parametrize("section", ["policy", "segments"])
def test_a_key_that_two_files_say_is_reported_at_both(tmp_path: Path, section: str) -> None:
    key, value = ("cap", "1 per 1d") if section == "policy" else ("vip", "customer.vip")
    with pytest.raises(RuleFileError) as caught:
        compiled(tmp_path / "r", GOOD, *2 * [f"{section}: {{{key}: {value}}}"])
    found = caught.value.diagnostics
    assert [each.location.file[-6:] for each in found] == ["1.yaml", "2.yaml"]
    assert all(each.message.endswith(f"`{key}` is defined twice") for each in found)


def test_the_policy_and_the_tests_of_several_files_are_put_together(tmp_path: Path) -> None:
    test = "tests: [{name: %s, events: [], expect: []}]\n"
    files = ["policy: {timezone: UTC}\n" + test % "one", "policy: {cap: 1 per 1d}\n" + test % "two"]
    policy = compiled(tmp_path / "r", GOOD, *files).policy
    assert policy == Policy(timezone="UTC", cap=Limit(1, 86_400_000))
    assert [each.name for each in check_rules(tmp_path / "r").tests] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berlim", "did you mean `Europe/Berlin`?"),
        ("'+01:00'", "write e.g. Europe/Berlin"),
        ("../../etc/passwd", "write e.g. Europe/Berlin"),
        ("CEST", None),
    ],
)
def test_a_time_zone_is_one_of_the_iana_database(tmp_path: Path, name: str, hint: str | None) -> None:
    with pytest.raises(RuleFileError) as caught:
        compiled(tmp_path / "r", GOOD, f"policy: {{timezone: {name}}}")
    (found,) = caught.value.diagnostics
    assert found.code is Code.UNKNOWN_TIME_ZONE
    assert hint in (None, found.hint)


MAPPED = """\
sources:
  clicks: {event: type.name, customer: user.id, time: meta.ts}
  shop: {event: {is: purchase}, customer: customer_id, time: at}
  people: {kind: profile, customer: id}
"""


@pytest.mark.parametrize(
    ("event", "field", "says"),
    [
        ("event: view, user: {id: c8}", "user.id", "customer: {id: …}"),
        ("event: view, user: c7", "user.id", "customer: {id: …}"),
        ("event: view, user: {id: }", "user.id", "customer: {id: …}"),
        ("event: view, meta: {ts: 2026-03-02T10:10:01Z}", "meta.ts", "at"),
        ("event: view, meta: {ts: soon}", "meta.ts", "at"),
        ("event: view, type: {name: buy}", "type.name", "event"),
        ("event: purchase, source: shop, customer_id: c8", "customer_id", "customer: {id: …}"),
        ("source: people, id: c8, attributes: {}", "id", "customer: {id: …}"),
    ],
)
def test_a_tests_event_of_another_customer_or_time_was_written_over_without_a_word(
    tmp_path: Path, event: str, field: str, says: str
) -> None:
    test = f"tests: [{{name: t, customer: {{id: c7}}, events: [{{at: 10m, {event}}}], expect: []}}]\n"
    with pytest.raises(RuleFileError) as caught:
        compiled(tmp_path / "r", MAPPED, test)
    (found,) = caught.value.diagnostics
    assert (found.code, found.location.line) == (Code.ONE_OR_THE_OTHER, 1)
    assert found.message.startswith(f"`{field}` is where ")
    assert found.hint == f"leave `{field}` out: what `{says}` of the test says is written there"


@pytest.mark.parametrize(
    "event",
    [
        "event: view, user: {id: c7, plan: free}, type: {name: view}, meta: {ts: 2026-03-02T10:10:00Z}",
        "event: view, meta: {ts: 1772446200}, type: {}, user: {}",
        "event: purchase, source: shop, customer_id: c7",  # its time is `at`, which is the test's own
    ],
)
def test_an_event_may_say_what_its_test_says(tmp_path: Path, event: str) -> None:
    test = f"tests: [{{name: t, customer: {{id: c7}}, events: [{{at: 10m, {event}}}], expect: []}}]\n"
    compiled(tmp_path / "r", MAPPED, test)


def test_a_long_chain_of_segments_is_no_recursion(tmp_path: Path) -> None:
    chain = "".join(f"  s{n}: segments.s{n + 1}\n" for n in range(3000))
    rules = compiled(tmp_path / "r", GOOD, f"segments:\n{chain}  s3000: customer.vip\n")
    assert [each.name for each in rules.segments[:2]] == ["s3000", "s2999"]


def test_conditions_are_simplified(tmp_path: Path) -> None:
    rules = compiled(tmp_path / "r", GOOD.replace("event.price > 1}", "event.price > 2 - 1}"))
    assert rules.predicates[1] == parse("event.price > 1")


# ---- what YAML 1.1 would have made of it ----

PLAIN = """\
sources: {clicks: {event: event, customer: customer_id}}
channels: {web: {topic: triggers.web, consent: none}}
rules: {a: {on: %s, send: {channel: web, content: {text: %s}}, limit: %s, priority: %s}}
"""


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "Yes", "12:30:00", "2026-03-01", "1_000"])
def test_words_that_yaml_1_1_takes_for_something_else_are_texts(tmp_path: Path, word: str) -> None:
    rule = compiled(tmp_path / "r", PLAIN % (word, word, "1 per 7d", "1")).rules[0]
    assert (rule.steps[0].on, rule.content["text"].source) == ((word,), word)


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        (("a", "b", "1 per 7d", "010"), "`010` begins with a zero (YAML 1.1 takes it for octal,"),
        (("a", "b", "1 per 7d", "0o10"), "`0o10` begins with a zero (YAML 1.1 takes it for octal,"),
        (("a", "b", "1 per 7d", "1:30"), "`priority` must be a whole number from"),
        (("a", "b", "1 per 7d", "1_000"), "whole number from -1000000 to 1000000 (write 1000) [E112]"),
        (("a", "b", "1 per 7d", "yes"), "`priority` must be a whole number from"),
        (("010", "b", "1 per 7d", "1"), "`on` must be a text (put it in quotes)"),
        (("true", "b", "1 per 7d", "1"), "`on` must be a text (put it in quotes)"),
        (("~", "b", "1 per 7d", "1"), "`on` must be a text"),
        (("a", "010", "1 per 7d", "1"), "the content `text` must be a text (put it in quotes)"),
        (("a", "b", "7:00:00", "1"), "`limit` must be a rate, `7:00:00` is not a rate"),
        (
            ("a, true: b", "b", "1 per 7d", "1"),
            "unknown key `true` (a tool that takes YAML 1.1 made this",
        ),
        (("a, <<: b", "b", "1 per 7d", "1"), "unknown key `<<` (merging is YAML 1.1"),
        (
            ("a, unless: {on: b, within: 12:30:00}", "b", "1 per 7d", "1"),
            "`12:30:00` is not a duration (write 12h30m: a time of day",
        ),
    ],
)
def test_what_yaml_1_1_would_read_otherwise_is_refused_with_the_reason(
    tmp_path: Path, values: tuple[str, ...], finding: str
) -> None:
    with pytest.raises(RuleFileError) as caught:
        compiled(tmp_path / "r", PLAIN % values)
    assert finding in str(caught.value)


# ---- durations ----


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", 90_000),
        ("30m", 1_800_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("4w", 2_419_200_000),
        ("0s", 0),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    "text", ["", "5", "m", "1.5h", "30m1h", "1h1h", "-1h", "1 h", "1H", "99999w", "1h ", "²d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|longer than"):
        parse_duration(text)


def test_rates() -> None:
    assert parse_rate("3 per 7d") == (3, 604_800_000)
    assert parse_rate("3 per calendar day") == (3, "day")
    assert parse_rate("1 per  calendar  month") == (1, "month")
    for count, period in ((3, 604_800_000), (1, "week")):
        assert parse_rate(format_rate(count, period)) == (count, period)
    no_calendars = (
        "1 per calendar",
        "1 per calendar year",
        "1 per calendar 7d",
        "1 per day",
        "1 calendar day",
    )
    for text in ("3 per", "per 7d", "3/7d", "three per 7d", "3 per 7", *no_calendars):
        with pytest.raises(ValueError, match="not a"):
            parse_rate(text)


@given(st.integers(0, MAX_MS // 1000))
def test_a_printed_duration_is_the_same_duration(seconds: int) -> None:
    assert parse_duration(format_duration(seconds * 1000)) == seconds * 1000


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("1 per week", "write 1 per 7d, or 1 per calendar week to begin anew with each week"),
        ("1 per 1 week", "write 1 per 7d, or 1 per calendar week to begin anew with each week"),
        ("3 per 2 weeks", "write 3 per 14d"),
        ("1 per hour", "write 1 per 1h"),
        ("2 per 30 minutes", "write 2 per 30m"),
        ("1 per 2 calendar days", "write 1 per 2d"),
        ("1 per calendar week.", "write e.g. 1 per 7d"),
    ],
)
def test_a_rate_in_words_is_told_as_one(tmp_path: Path, written: str, hint: str) -> None:
    """`must be a rate, `1 per week` is not a duration`: who wrote a rate looked for a duration."""
    with pytest.raises(RuleFileError) as caught:
        compiled(tmp_path / "r", f"channels: {{c: {{topic: t, consent: none, cap: {written}}}}}")
    (found,) = caught.value.diagnostics
    assert (found.message, found.hint) == (f"`cap` must be a rate, `{written}` is not a rate", hint)


async def test_what_another_process_compiled_is_put_together_as_it_was(tmp_path: Path) -> None:
    """After a reload the policy was a tuple of policies."""
    rules = compiled(tmp_path / "r", TEN.read_text())
    assert await compilation._put_together(list(compilation._pieces(rules))) == rules


@pytest.mark.parametrize(
    ("trait", "said"),
    [
        ("{function: list, of: add}", "trait `t` needs `fields`"),
        ("{function: list, of: add, fields: []}", "`fields` is empty"),
        ("{function: list, of: add, fields: [sku, 'a b']}", "`a b` is no field path"),
        ("{function: list, of: add, fields: [sku, product.sku]}", "two of `fields` are called `sku`"),
        ("{function: list, of: add, fields: [sku], field: x}", "a `list` has no `field`"),
        ("{function: list, of: add, fields: [sku], value: event.x}", "a `list` has no `value`"),
        ("{function: list, of: add, fields: [sku], per: x}", "a `list` has no `per`"),
        ("{function: list, of: add, fields: [sku], k: 2}", "a `list` has no `k`"),
        (
            "{function: list, of: add, fields: [sku], most: 101}",
            "`most` must be a whole number from 1 to 100",
        ),
        ("{function: list, of: add, fields: [sku], remove: drop}", "trait `t` needs `key`"),
        (
            "{function: list, of: add, fields: [sku], key: sku, remove: [add, drop]}",
            "`remove` and `of` both have the event `add`",
        ),
        (
            "{function: list, of: add, fields: [sku], key: sku, remove: drop, clear: drop}",
            "`remove` and `clear` both have the event `drop`",
        ),
        (
            "{function: sum, of: add, items: cart.lines, field: cart.lines.price}",
            "`cart.lines.price` is looked for in each element of `items`",
        ),
        (
            "{function: list, of: add, items: lines, fields: [sku, lines.price]}",
            "`lines.price` is looked for in each element of `items`",
        ),
        ("{function: count, of: add, fields: [sku]}", "a `count` has no `fields`: it is for a `list`"),
        ("{function: count, of: add, key: sku}", "a `count` has no `key`: it is for a `list`"),
    ],
)
def test_what_a_list_must_and_must_not_say(tmp_path: Path, trait: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(
        "sources: {clicks: {event: event, customer: c}}\nchannels: {web: {topic: web, consent: none}}\n"
        f"traits:\n  t: {trait}\nrules: {{}}\n"
    )
    assert said in "\n".join(each.message for each in check_rules(tmp_path).diagnostics)


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ("traits.cart[20].sku == 'a'", "a `list` of 20 has the items 0 to 19"),
        ("traits.cart == 5", "`==` compares a list with a number"),
        ("traits.cart.exists(i, i.price == 'x')", "as the tests have it"),
        ("size(traits.cart) > 20", "never"),
    ],
)
def test_conditions_of_a_list_are_held_against_what_it_is(tmp_path: Path, reads: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(
        "sources: {clicks: {event: event, customer: c}}\nchannels: {web: {topic: web, consent: none}}\n"
        "traits: {cart: {function: list, of: add, fields: [sku, price]}}\n"
        f'rules: {{r: {{on: ask, if: "{reads}", send: {{channel: web, content: {{text: Hi}}}}}}}}\n'
        "tests: [{name: it, events: [{at: 0m, event: add, sku: a, price: 5}], expect: []}]\n"
    )
    found = "\n".join(str(each) for each in check_rules(tmp_path).diagnostics)
    assert said in found, found
