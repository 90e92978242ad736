"""The tracking plan: what it may say, and that every name in every place is held against it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import Checked, check_rules, load_rules
from tests.rules.test_misspelt import SHOP, SLIPS

RULES = SHOP.partition("tests:")[0]
PLAN = """\
events:
  product_view:
    describe: A page with one product
    source: clicks
    fields:
      price: number
      sku: string
      category: {type: string, values: [shoes, bags], describe: Where in the shop}
      platform: {type: string, values: [web, app], examples: [web]}
      brand: string
      vip: boolean
      seen_at: time
      tags: list
      remedy: any
      items: {}
  add_to_cart: {fields: {sku: string, category: string, title: string, device_token: string, price: number}}
  purchase:
    source: [till, clicks]
    fields: {order.total: number, order.pieces: number, order.id: string, address: object}
  newsletter_open: {fields: {device_token: string}}
  app_start: {fields: {device_token: string}}
  pharmacy_view: {fields: {remedy: string}}
"""
PEOPLE = """\
kind: profile, customer: customer_id, consents: [marketing_email, health_advice],
    attributes: {email: string, status: string, home.country: string, language: string, illness: string,
      first_name: string, deceased: boolean}"""
PLANNED = PLAN + RULES.replace("kind: profile, customer: customer_id", PEOPLE).replace(
    "kind: context, customer: customer_id",
    "kind: context, customer: customer_id, fields: {temperature: number}",
)

OPEN = PLANNED.replace("events:\n", "events:\n  survey: {}\n", 1)


def check(folder: Path, text: str) -> Checked:
    folder.mkdir(exist_ok=True)
    (folder / "a.yaml").write_text(text)
    return check_rules(folder)


def findings(folder: Path, text: str) -> list[str]:
    return [str(each).partition(": ")[2] for each in check(folder, text).diagnostics]


def codes(folder: Path, text: str) -> list[str]:
    return [str(each.code) for each in check(folder, text).diagnostics]


def test_right_names_fit_the_plan_which_changes_nothing(tmp_path: Path) -> None:
    assert codes(tmp_path / "one", PLANNED) == []
    assert codes(tmp_path / "two", RULES) == []
    assert load_rules(tmp_path / "one").revision == load_rules(tmp_path / "two").revision


PLANNED_CODES = {"W512": "E210", "W508": "E211", "W513": "E212", "W514": "E213", None: None}


@pytest.mark.parametrize(("right", "slip", "code"), SLIPS, ids=lambda each: str(each))
def test_a_slip_in_any_place_is_an_error(tmp_path: Path, right: str, slip: str, code: str | None) -> None:
    wanted = {"events: pharmacy_view,": "E210", "customer.home.country": "E212"}.get(
        right, PLANNED_CODES[code]
    )
    assert PLANNED.count(right) == 1
    checked = check(tmp_path, PLANNED.replace(right, slip))
    assert checked.rules is None
    assert [str(each.code) for each in checked.diagnostics] == [wanted]


@pytest.mark.parametrize(
    ("right", "slip", "finding"),
    [
        (
            "on: [newsletter_open, app_start]",
            "on: [newsletter_open, app_stat]",
            "error: the tracking plan has no event `app_stat` (did you mean `app_start`?) [E210]",
        ),
        (
            "on: [newsletter_open, app_start]",
            "on: [newsletter_open, app_start, rain]",
            "error: the tracking plan has no event `rain` (define it below `events`) [E210]",
        ),
        (
            "where: event.order.total > 5",
            "where: event.order.totl > 5",
            "error: the tracking plan has no field `order.totl` of `purchase` (did you mean `total`?) [E211]",
        ),
        (
            "where: event.order.total > 5",
            "where: event.order.discount > 5",
            "error: the tracking plan has no field `order.discount` of `purchase` "
            "(there are: id, pieces, total) [E211]",
        ),
        (
            "address: customer.email",
            "address: customer.whatsapp",
            "error: no source of profiles names the attribute `whatsapp` in `attributes` (there are: "
            "deceased, email, first_name, home, illness, language, locale, "
            "preferred_channel, status, timezone) [E212]",
        ),
        (
            "consent: marketing_email,",
            "consent: marketing_mail,",
            "error: no source of profiles names the purpose `marketing_mail` in `consents` "
            "(did you mean `marketing_email`?) [E213]",
        ),
        (
            "context.weather.temperature > 20",
            "context.weather.temperatur > 20",
            "error: its source names no field `temperatur` in `fields` (did you mean `temperature`?) [E211]",
        ),
        (
            "field: order.total",
            "field: order.id",
            "error: `field` takes a number, and the tracking plan says that `id` is a string "
            "(write `value: double(event.order.id)` in place of `field`) [E214]",
        ),
        (
            "value: order.total",
            "value: address",
            "error: `value` takes a number, and the tracking plan says that `address` is an object [E214]",
        ),
        (
            "per: category",
            "per: tags",
            "error: `per` takes a string, number, boolean or time, and the tracking plan says that `tags` "
            "is a list [E214]",
        ),
        (
            "address: customer.email",
            "address: customer.deceased",
            "error: `address` takes a string, and the tracking plan says that `deceased` is a boolean [E214]",
        ),
        (
            "where: event.platform == 'web'",
            "where: event.platform == 'wep'",
            "warning: the tracking plan does not name the value `wep` (did you mean `web`?) [W515]",
        ),
        (
            "where: event.platform == 'web'",
            "where: \"event.platform in ['web', 'phone']\"",
            "warning: the tracking plan does not name the value `phone` (there are: web, app) [W515]",
        ),
        (
            "context.weather.temperature > 20",
            "(event_name == 'ad_to_cart' || context.weather.temperature > 20)",
            "warning: no event here is called `ad_to_cart` (did you mean `add_to_cart`?) [W504]",
        ),
    ],
)
def test_what_is_said_of_a_name_that_is_not_in_the_plan(
    tmp_path: Path, right: str, slip: str, finding: str
) -> None:
    assert right in PLANNED
    assert findings(tmp_path, PLANNED.replace(right, slip)) == [finding]


@pytest.mark.parametrize(
    ("condition", "finding"),
    [
        (
            "event.price >= '50'",
            "`>=` compares a number with a text (a number is written without quotes) [E306]",
        ),
        ("event.price == 'x' || event.price > 5", "`==` compares a number with a text (a number"),
        ("event.sku == 5", "`==` compares a text with a number"),
        ("event.vip == 'yes'", "`==` compares true or false with a text"),
        ("event.sku", "a condition must be true or false, this is a text"),
        ("event.price in ['a', 'b']", "`in` looks for a number in a list that has none"),
        (
            "event.seen_at < timestamp('2026-01-01')",
            "`<` compares a text with a time (write timestamp(event.seen_at))",
        ),
        ("event.sku.brand == 'x'", "a text has no field `brand`"),
        ("event.tags == 'x'", "`==` compares a list with a text"),
        ("event.sku + 1 > 2", "`+` does not fit a text and a number"),
        ("event.tags > 5", "`>` compares a list with a number"),
        ("'x' in event.sku", "`in` needs a list, this is a text"),
        ("event['price'] == 'x'", "`==` compares a number with a text"),
    ],
)
def test_types_that_cannot_fit_are_errors(tmp_path: Path, condition: str, finding: str) -> None:
    (found,) = findings(
        tmp_path, PLANNED.replace("event.platform == 'web'", '"' + condition + '"').replace('"}', '"}')
    )
    assert found.startswith(f"error: {finding}")
    assert found.endswith("[E306]")


@pytest.mark.parametrize(
    "condition",
    [
        "event.price > 5 && event.price >= 5.5 && event.price * 1.19 > 1 && event.price % 2 == 0",
        "1 + event.price + 0.5 > 2.0 &&-event.price < 0 && double(event.price) > 1 && int(event.price) > 1",
        "event.price == null || event.sku == null || event.vip == null || event.tags != null",
        "event.vip && !event.vip && (event.vip ? event.price : 0) > 5",
        "timestamp(event.seen_at) > timestamp('2026-01-01') && event.seen_at.startsWith('2026')",
        "event.tags.exists(t, t == 'a') && 'a' in event.tags && size(event.tags) == 1 && event.tags[0] == 1",
        "event.items.x.y > 5 && event.items[0].price > 5 && event.remedy == 5",
        "has(event.sku) && event.sku.size() > 3 && event.sku + 'x' == 'ax'",
        "event_name == 'product_view' && event.name == 'product_view' && event.customer_id == 'c'",
        "event.sent.at > 5 && event['sku'] == 'x' ",
        "event.tags.exists(context, context.weather.nothing == 'x') && event.price > 5",
        "event.category in ['shoes', 'bags'] && event.category != 'shoes' && event.category == event.sku",
        "timestamp(int(event.price)) > timestamp('2026-01-01') && string(event.price) == '5'",
        "event.price in [1, 2.5] && [1, 2].exists(n, n == event.price) && event.price == event.price",
    ],
)
def test_types_that_fit_do(tmp_path: Path, condition: str) -> None:
    text = PLANNED.replace("event.platform == 'web'", f'"{condition}"').replace(
        "event.remedy]", "event.gone]"
    )
    text = text.replace("remedy: string", "gone: string")
    assert findings(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{% if event.platform == 'wep' %}a{% endif %}", "wep"),
        ("{% if event.price > 5 and 'wep' != event.platform %}a{% endif %}", "wep"),
        ("{% unless event.platform == 'wep' %}a{% endunless %}", "wep"),
        ("{% case event.platform %}{% when 'web', 'wep' %}a{% endcase %}", "wep"),
        ("{% case event.platform %}{% when 'web' %}a{% when 'app' %}b{% endcase %}", None),
        ("{% if event.platform == 'web' or event.sku == 'wep' %}a{% endif %}", None),
        ("{% if event.platform == event.sku or event.platform == 3 %}a{% endif %}", None),
    ],
)
def test_a_text_asked_for_a_value_that_no_shop_sends(tmp_path: Path, text: str, value: str | None) -> None:
    """Everybody got the other branch, and the plan had named all the values."""
    rules = (
        "sources: {clicks: {event: event, customer: c}}\n"
        "channels: {web: {topic: t, consent: none}}\n"
        "policy: {allow: [W501, W505]}\n"
        "events: {view: {fields: "
        "{platform: {type: string, values: [web, app]}, price: number, sku: string}}}\n"
        f'rules: {{r: {{on: view, send: {{channel: web, content: {{text: "x{text}"}}}}}}}}\n'
    )
    found = [each.message for each in check(tmp_path / "r", rules).diagnostics]
    assert found == ([f"the tracking plan does not name the value `{value}`"] if value else [])


TESTS = """\
tests:
  - name: t
    customer: {attributes: {email: a@b.c, home: {country: DE}}, consents: [marketing_email]}
    events:
      - {at: 0m, event: product_view, price: 5, category: shoes, tags: [a], seen_at: "2026-03-02", vip: null}
      - {at: 0m, event: purchase, source: till, order: {total: 5}, address: {city: Bonn}}
      - {at: 0m, event: survey, anything: 5}
      - {at: 0m, source: people, attributes: {status: gold}, consents: {health_advice: {granted: true}}}
      - {at: 0m, source: weather, temperature: 5}
    expect: []
"""


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("", "", None),
        (
            "event: product_view",
            "event: product_veiw",
            "error: the tracking plan has no event `product_veiw` (did",
        ),
        (
            "price: 5",
            "prise: 5",
            "error: the tracking plan has no field `prise` of `product_view` (did you mean `price`",
        ),
        (
            "total: 5",
            "totals: 5",
            "error: the tracking plan has no field `order.totals` of `purchase` (did you mean",
        ),
        (
            'seen_at: "2026-03-02"',
            "seen_at: yesterday",
            "error: the tracking plan says that `seen_at` is a time, `yesterday` is none (write e.g. 2026-",
        ),
        (
            'seen_at: "2026-03-02"',
            "seen_at: 1772445600",
            "error: the tracking plan says that `seen_at` is a time, this is a number [E214]",
        ),
        ('seen_at: "2026-03-02"', 'seen_at: "2026-03-02 10:00:00.5 UTC"', None),
        (
            "price: 5",
            "price: '5'",
            "error: the tracking plan says that `price` is a number, this is a string [E214]",
        ),
        (
            "tags: [a]",
            "tags: a",
            "error: the tracking plan says that `tags` is a list, this is a string [E214]",
        ),
        (
            "{city: Bonn}",
            "Bonn",
            "error: the tracking plan says that `address` is an object, this is a string",
        ),
        (
            "category: shoes",
            "category: shoe",
            "warning: the tracking plan does not name the value `shoe` (did you",
        ),
        (
            "email: a@b.c",
            "emial: a@b.c",
            "error: no source of profiles names the attribute `emial` in `attributes`",
        ),
        ("country: DE", "contry: DE", "error: no source of profiles names the attribute `home.contry` in"),
        ("status: gold", "statsu: gold", "error: no source of profiles names the attribute `statsu` in"),
        (
            "consents: [marketing_email]}",
            "consents: [marketing]}",
            "error: no source of profiles names the purpose `mark",
        ),
        ("{health_advice: {gr", "{health: {gr", "error: no source of profiles names the purpose `health` in"),
        (
            "temperature: 5}",
            "temperatur: 5}",
            "error: its source names no field `temperatur` in `fields` (did you mean",
        ),
        (
            "temperature: 5}",
            "temperature: x}",
            "error: the tracking plan says that `weather.temperature` is a num",
        ),
        ("survey, any", "survey, source: till, any", None),  # a finding of its own: the till says purchase
        (
            "event: product_view,",
            "event: pharmacy_view, source: clicks,",
            "error: the tracking plan has no field",
        ),
    ],
)
def test_tests_are_held_against_the_plan(tmp_path: Path, right: str, wrong: str, finding: str | None) -> None:
    assert right in TESTS
    found = findings(tmp_path, OPEN + TESTS.replace(right, wrong, 1))
    if finding is None:
        assert [each for each in found if "carries no event but" not in each] == []
    else:
        assert found[0].startswith(finding)


def test_a_test_says_where_its_event_comes_from(tmp_path: Path) -> None:
    text = OPEN.replace("source: [till, clicks]", "source: till") + TESTS.replace(
        "source: till, order", "order"
    )
    assert findings(tmp_path, text) == [
        "error: `purchase` comes from `till`, says the tracking plan, not from `clicks` "
        "(write `source: till`) [E214]"
    ]


@pytest.mark.parametrize(
    ("plan", "finding"),
    [
        ("a: {field: {x: string}}", "unknown key `field` (did you mean `fields`?) [E101]"),
        (
            "a: {fields: {x: text}}",
            "unknown type `text` (there are: string, number, boolean, list, object, time, any)",
        ),
        ("a: {fields: {x: strnig}}", "unknown type `strnig` (did you mean `string`?) [E107]"),
        ("a: {fields: {x: {typ: string}}}", "unknown key `typ` (did you mean `type`?) [E101]"),
        ("a: {fields: {'x y': string}}", "`x y` is no field path (write e.g. order.id"),
        ("a: {fields: {x..y: string}}", "`x..y` is no field path"),
        ("a: {fields: [x]}", "`fields` must map fields to their types (write e.g. {amount: number}) [E104]"),
        (
            "a: {fields: {x: list, x.y: string}}",
            "`x` is a list: it has no field `y` (nothing is said of what is in",
        ),
        (
            "a: {fields: {x: string, x.y.z: string}}",
            "`x` is a string: it has no field `y` (write `object`) [E214]",
        ),
        ("a: {fields: {x: {type: number, values: [1, b]}}}", "field `x` is a number, `b` is none [E214]"),
        ("a: {fields: {x: {type: number, examples: [b]}}}", "field `x` is a number, `b` is none [E214]"),
        ("a: {source: nowhere}", "unknown source of events `nowhere` (there are: s) [E107]"),
        ("a: {source: p}", "unknown source of events `p` (there are: s) [E107]"),
        ("a: text", "event `a` must be a mapping"),
        ("'': {}", "an event's name has 1 to 256 characters [E113]"),
        (f"{'e' * 257}: {{}}", "an event's name has 1 to 256 characters [E113]"),
        ("a: {fields: {" + ".".join("x" * 33) + ": any}}", "`x.x.x"),
    ],
)
def test_what_a_plan_cannot_say(tmp_path: Path, plan: str, finding: str) -> None:
    sources = "sources: {s: {event: e, customer: c}, p: {kind: profile, customer: c}}\n"
    (found,) = findings(tmp_path, f"{sources}events: {{{plan}}}\n")
    assert found.startswith(f"error: {finding}")


def test_an_event_of_two_files_is_defined_twice(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("events: {a: {}}")
    assert codes(tmp_path, "events: {a: {}}") == ["E105", "E105"]


def test_a_source_of_one_event_carries_no_other(tmp_path: Path) -> None:
    text = "sources: {till: {event: {is: sale}, customer: c}}\nevents: {sale: {}, rain: {source: till}}"
    assert findings(tmp_path, text) == ["error: the source `till` carries no event but `sale` [E214]"]
    assert codes(tmp_path, text.replace("sale: {}, rain: {source: till}", "sail: {}")) == ["E210"]


def test_what_one_of_two_sources_of_profiles_does_not_say_may_be_anything(tmp_path: Path) -> None:
    more = "  others: {kind: profile, customer: c}\n"
    text = PLANNED.replace("address: customer.email", "address: customer.phone")
    assert codes(tmp_path, text) == ["E212"]
    assert codes(tmp_path, text.replace("traits:\n", f"{more}\ntraits:\n")) == []


def test_a_field_of_any_of_the_events_of_a_rule_will_do(tmp_path: Path) -> None:
    text = PLANNED.replace(
        "on: add_to_cart, where: event.sku", "on: [add_to_cart, product_view], where: event.sku"
    )
    assert codes(tmp_path, text.replace("{{ event.title }}", "{{ event.brand }}{{ event.title }}")) == []
    assert codes(tmp_path, text.replace("{{ event.title }}", "{{ event.colour }}")) == ["E211"]
    open_ended = text.replace("product_view], where", "product_view, survey], where")
    open_ended = open_ended.replace("events:\n", "events:\n  survey: {}\n", 1)
    assert codes(tmp_path, open_ended.replace("{{ event.title }}", "{{ event.colour }}")) == []


def test_names_that_are_not_ascii_and_anchors(tmp_path: Path) -> None:
    text = (
        "sources: {s: {event: e, customer: c}}\nchannels: {w: {topic: w, consent: none}}\n"
        "events: {Bestellung Über €5: &e {fields: {größe: number, 名: string}}, b: *e}\n"
        "rules: {r: {on: Bestellung Über €5, where: 'event.größe > 5', limit: 1 per 1d, "
        "goal: {on: b, within: 1d, value: größe}, send: {channel: w, content: {t: '{{ event.名 }}'}}}}\n"
    )
    # CEL's names are ASCII
    assert {each[-6:] for each in findings(tmp_path, text)} == {"[E302]"}
    fine = text.replace("event.größe", 'event["größe"]').replace("event.名", 'event["名"]')
    assert findings(tmp_path, fine) == []
    assert codes(tmp_path, fine.replace('größe"]', 'große"]')) == ["E211"]


def test_a_huge_plan_is_read_in_time(tmp_path: Path) -> None:
    """Two thousand events of ten fields, in eight files, and five hundred rules that misspell each a name."""
    for number in range(8):
        events = "".join(
            f"  event_{number}_{each}: {{fields: {{{', '.join(f'field_{n}: number' for n in range(10))}}}}}\n"
            for each in range(250)
        )
        (tmp_path / f"plan{number}.yaml").write_text(f"events:\n{events}")
    rules = "".join(
        f"  r{each}: {{on: evnt_{each}, limit: 1 per 1d, send: {{channel: w, content: {{t: x}}}}}}\n"
        for each in range(500)
    )
    text = "sources: {s: {event: e, customer: c}}\nchannels: {w: {topic: w, consent: none}}\nrules:\n" + rules
    began = time.process_time()
    assert len(codes(tmp_path, text)) == 500
    assert time.process_time() - began < 30
