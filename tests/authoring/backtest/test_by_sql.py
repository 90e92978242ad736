"""What a backtest tells of CDNOW's history and the demo's rules, counted once more by SQL.

Matches, what guards removed, base rates and segments are counted from the raw events and profiles, which know
nothing of the engine; who got what and when from the decisions. A window is kept in 60 slices and counts
from the
beginning of a slice: that is written out here, too (`slice`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from stream.demo.data import profiles, transactions

RULES = Path(__file__).parents[3] / "rules"
TABLES = """
create macro berlin(t) as t + case when t between timestamp '2023-03-26 01:00:00' and timestamp '2023-10-29
  00:59:59.999'
  or t >= timestamp '2024-03-31 01:00:00' then interval 2 hours else interval 1 hour end;
create macro slice(t, days) as t // (days::bigint * 86400000 // 60);
create table purchases as select customer_id as customer, amount, epoch_ms(ts::timestamp) as ms,
  row_number() over (partition by customer_id order by ts, line) as n,
  lead(ms) over (partition by customer_id order by ts, line) as next
  from (select *, row_number() over () as line from read_json('transactions.jsonl'));
create table people as select customer_id as customer, attributes.email as email,
  coalesce(attributes.do_not_contact, false) as left_alone,
  coalesce(consents.marketing_email.granted, false) as mail, coalesce(consents.marketing_phone.granted,
    false) as call,
  attributes.phone as phone from read_json('profiles.jsonl', map_inference_threshold = -1, sample_size = -1);
create table decisions as select row_number() over () as n, rule, customer_id as customer, outcome, reason,
  channel,
  held_out_by, trigger_id, epoch_ms("at"::timestamp) as ms, "at"::timestamp as moment
  from read_json('decisions.jsonl', sample_size = -1, union_by_name = true);
"""


class Shop:
    """What was told (`found`), and the tables."""

    def __init__(self, folder: Path) -> None:
        for name, records in (
            ("transactions", transactions()),
            ("profiles", profiles(dict.fromkeys(each.key for each in transactions()))),
        ):
            (folder / f"{name}.jsonl").write_bytes(b"\n".join(each.value for each in records))
        command = [
            *(sys.executable, "-m", "stream", "backtest", str(RULES), "profiles=profiles.jsonl"),
            *("transactions=transactions.jsonl", "--json", "--out", "decisions.jsonl"),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
        self.found: dict[str, Any] = orjson.loads(done.stdout)
        self.tables = duckdb.connect(config={"file_search_path": str(folder)})
        self.tables.execute(TABLES + LAPSED)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.tables.execute(query).fetchall()

    def one(self, query: str) -> Any:
        return self.rows(query)[0][0]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


# Customers and times at which each rule's conditions held, from the purchases alone.
MATCHED = {
    "second-purchase": "select customer, ms from purchases where n = 2",
    "regular-customer": """
        select p.customer, p.ms from purchases p join purchases q
          on q.customer = p.customer and q.n <= p.n and slice(q.ms, 90) >= slice(p.ms, 90) - 60
        group by p.customer, p.ms, p.n having count(*) >= 5""",
    "lapsed-big-spender": "select customer, due as ms from lapsed where spent >= 300",
    "lapsed-top-customer": "select customer, due as ms from lapsed where spent >= 800",
}
LAPSED = """
create table lapsed as select p.customer, p.due, round(sum(q.amount), 6) as spent
from (select *, ms + 120 * 86400000::bigint as due from purchases) p join purchases q
  on q.customer = p.customer and q.n <= p.n and slice(q.ms, 365) >= slice(p.due, 365) - 60
where (p.next is null or p.next > p.due) and p.due < (select max(ms) from purchases)
group by p.customer, p.due;
"""


def test_matches_are_those_that_the_purchases_make(shop: Shop) -> None:
    counted = {name: shop.one(f"select count(*) from ({query})") for name, query in MATCHED.items()}
    told = {name: rule["matches"] for name, rule in shop.found["rules"].items() if rule["matches"]}
    assert told == counted
    assert min(counted.values()) > 50


@pytest.mark.parametrize(("rule", "consent", "address"), [("second-purchase", "mail", "email")])
def test_guards_removed_whom_the_profiles_say(shop: Shop, rule: str, consent: str, address: str) -> None:
    """Of a rule that can match once for a customer, whatever others do; `holdout` and `cap` see the rest."""
    first = shop.rows(
        f"""select case when left_alone then 'suppressed' when not {consent} then 'consent'
            when {address} is null then 'address' else 'passed' end as guard, count(*)
            from ({MATCHED[rule]}) join people using (customer) group by all"""
    )
    counted = dict(first)
    told = shop.found["rules"][rule]
    assert {name: told["removed"][name] for name in counted if name != "passed"} == {
        name: count for name, count in counted.items() if name != "passed"
    }
    passed = told["per_customer"]["messages"] + told["removed"]["holdout"] + told["removed"].get("cap", 0)
    assert passed + told["still_put_off"] == counted["passed"]


def test_limits_and_groups_removed_what_came_too_soon_or_second(shop: Shop) -> None:
    """Of who passes the guards before: `limit` sees what went before within its time, `group` who was
    called."""
    told = shop.found["rules"]
    used = "outcome in ('sent', 'holdout')"
    for rule, days in (("regular-customer", 180), ("lapsed-big-spender", 180)):
        counted = shop.one(
            f"""select count(*) from decisions d where rule = '{rule}' and outcome != 'deferred' and exists (
                  select 1 from decisions e where e.rule = d.rule and e.customer = d.customer and e.n < d.n
                  and e.{used} and e.ms > d.ms - {days} * 86400000::bigint)"""
        )
        assert told[rule]["removed"]["limit"] == counted > 0
    called = shop.one(
        """select count(*) from decisions d join decisions e using (customer, ms) join people using
          (customer)
            where d.rule = 'lapsed-big-spender' and e.rule = 'lapsed-top-customer' and e.outcome !=
              'suppressed'
            and d.outcome = 'suppressed' and d.reason not in ('limit', 'consent', 'address')"""
    )
    assert told["lapsed-big-spender"]["removed"]["group"] == called > 0
    assert {
        "rule": "lapsed-big-spender",
        "other": "lapsed-top-customer",
        "reason": "group",
        "count": called,
    } in (shop.found["collisions"])


def test_caps_removed_what_was_too_much_and_name_the_last_message(shop: Shop) -> None:
    """E-mail: one in a day; all channels that need consent: three in seven days."""
    last = shop.rows(
        """with used as (select * from decisions where outcome in ('sent', 'holdout'))
           select d.rule, arg_max(e.rule, e.n), count(*) filter (e.channel = 'email' and e.ms > d.ms -
             86400000),
             count(*) filter (e.ms > d.ms - 7 * 86400000)
           from decisions d join used e on e.customer = d.customer and e.n < d.n
           where d.reason = 'cap' group by d.n, d.rule"""
    )
    assert all(in_day >= 1 or in_week >= 3 for *_, in_day, in_week in last)
    counted: dict[tuple[str, str], int] = {}
    for rule, other, *_ in last:
        counted[rule, other] = counted.get((rule, other), 0) + 1
    told = {
        (each["rule"], each["other"]): each["count"]
        for each in shop.found["collisions"]
        if each["reason"] == "cap"
    }
    assert told == counted != {}
    caps = [rule["removed"].get("cap", 0) for rule in shop.found["rules"].values()]
    assert sum(caps) == sum(counted.values())


def test_messages_per_customer_and_channel(shop: Shop) -> None:
    groups = {"true": [shop.found["messages"]["per_customer"]]}
    groups |= {f"channel = '{name}'": [each] for name, each in shop.found["messages"]["per_channel"].items()}
    groups |= {f"rule = '{name}'": [each["per_customer"]] for name, each in shop.found["rules"].items()}
    for which, (told,) in groups.items():
        counted = shop.rows(
            f"""select coalesce(sum(k), 0), count(*), coalesce(quantile_disc(k, 0.5), 0),
              coalesce(quantile_disc(k, 0.99), 0),
                  coalesce(max(k), 0) from
                (select count(*) as k from decisions where outcome = 'sent' and {which} group by customer)"""
        )
        assert tuple(told[key] for key in ("messages", "customers", "p50", "p99", "worst")) == counted[0], (
            which
        )
        lines = {first: customers for first, last, customers in told["counts"] if first == last and customers}
        assert lines == dict(
            shop.rows(
                f"""select k, count(*) from (select count(*) as k from decisions
                    where outcome = 'sent' and {which} group by customer) group by k"""
            )
        )
    assert groups["true"][0]["worst"] > 1


def test_days_and_hours_are_those_of_the_policys_time_zone(shop: Shop) -> None:
    days, hours = {}, {}
    for name, rule in shop.found["rules"].items():
        days |= {(name, day, channel): n for day, sent in rule["days"].items() for channel, n in sent.items()}
        hours |= {
            (name, hour): n for hour, n in enumerate(map(sum, zip(*rule["hours"].values(), strict=True))) if n
        }
    assert days == {
        (rule, str(day), channel): count
        for rule, day, channel, count in shop.rows(
            """select rule, berlin(moment)::date, channel, count(*) from decisions where outcome = 'sent'
            group by all"""
        )
    }
    assert hours == {
        (rule, hour): count
        for rule, hour, count in shop.rows(
            "select rule, hour(berlin(moment)), count(*) from decisions where outcome = 'sent' group by all"
        )
    }


def test_matches_that_quiet_hours_put_off_count_once(shop: Shop) -> None:
    counted = shop.rows(
        """select rule, count(distinct trigger_id), count(*) filter (outcome = 'deferred') from decisions
        group by rule"""
    )
    told = {
        name: (rule["matches"], rule["put_off"])
        for name, rule in shop.found["rules"].items()
        if rule["matches"]
    }
    assert told == {rule: (matches, put_off) for rule, matches, put_off in counted}
    assert max(put_off for _, put_off in told.values()) > 100


@pytest.mark.parametrize(
    ("rule", "days"), [("second-purchase", 60), ("regular-customer", 30), ("lapsed-big-spender", 30)]
)
def test_base_rates_are_those_of_the_purchases_that_followed(shop: Shop, rule: str, days: int) -> None:
    """From the first match that went, or that the rule held out, on; of windows that ended within the
    input."""
    ((ended, reached),) = shop.rows(
        f"""with entered as (select customer, min(ms) as since from decisions where rule = '{rule}'
              and (outcome = 'sent' or outcome = 'holdout' and not list_contains(held_out_by, 'policy'))
                group by customer)
            select count(*), count(*) filter (exists (select 1 from purchases p where p.customer = e.customer
              and p.ms > since and p.ms <= since + {days} * 86400000::bigint))
            from entered e where since + {days} * 86400000::bigint <= (select max(ms) from purchases)"""
    )
    plan = shop.found["rules"][rule]["plan"]
    assert (plan["ended"], plan["reached"]) == (ended, reached)
    assert plan["base"] == reached / ended > 0.1


def test_segments_are_those_of_purchases_and_profiles(shop: Shop) -> None:
    ((loyal, left_alone, both),) = shop.rows(
        """with last as (select max(ms) as ms from purchases), bought as (select customer,
              count(*) filter (slice(p.ms, 90) >= slice(last.ms, 90) - 60) as many,
              coalesce(sum(amount) filter (slice(p.ms, 365) >= slice(last.ms, 365) - 60), 0) as spent
              from purchases p, last group by customer)
           select count(*) filter (many >= 2 or spent >= 300), count(*) filter (left_alone),
             count(*) filter (left_alone and (many >= 2 or spent >= 300)) from bought join people using
               (customer)"""
    )
    segments = shop.found["segments"]
    assert segments["sizes"] == {
        "loyal": loyal,
        "left_alone": left_alone,
        "staff": 0,
        "waiting_for_answer": 0,
    }
    assert [(set(each["segments"]), each["customers"]) for each in segments["shared"]] == [
        ({"loyal", "left_alone"}, both)
    ]
    assert loyal > 1_000


def test_goals_that_are_watched_change_no_decision(shop: Shop, tmp_path: Path) -> None:
    """The rules without their goals decide the same: what counts base rates is not seen by the others."""
    for path in RULES.glob("*.yaml"):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("goal:")]
        (tmp_path / path.name).write_text("\n".join(lines))
    folder = Path(shop.one("select current_setting('file_search_path')"))
    command = [
        *(sys.executable, "-m", "stream", "backtest", str(tmp_path), "profiles=profiles.jsonl"),
        *("transactions=transactions.jsonl", "--json", "--out", "without.jsonl"),
    ]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)

    def decided(name: str) -> list[tuple[Any, ...]]:
        lines = map(json.loads, (folder / name).read_text().splitlines())
        return [
            tuple(each[key] for key in ("trigger_id", "outcome", "reason", "channel", "at")) for each in lines
        ]

    assert decided("without.jsonl") == decided("decisions.jsonl")
