"""Names that differ by a slip from those that the tests have are warned of in every place, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.rules.compiler.rule_set import check_rules

# Every kind of name in every place, all of them right.
SHOP = """\
sources:
  clicks: {event: name, customer: customer_id, time: sent.at}
  till: {event: {is: purchase}, customer: customer_id}
  people: {kind: profile, customer: customer_id}
  weather: {kind: context, customer: customer_id}

traits:
  spent: {function: sum, of: purchase, field: order.total}
  worth: {function: mean, of: purchase, value: event.order.total * event.order.pieces}
  viewed: {function: count, of: product_view, per: category, where: event.platform == 'web'}

segments:
  vips: customer.status == 'gold' && customer.home.country == 'DE'

channels:
  email: {topic: email, consent: marketing_email, address: customer.email}
  push: {topic: push, consent: none, address: event.device_token}

policy:
  timezone: UTC
  suppress: customer.deceased
  sensitive:
    health: {events: pharmacy_view, fields: [customer.illness, event.remedy], consent: health_advice}

rules:
  cart:
    steps:
      - {on: product_view, where: event.price > 10, as: seen}
      - {on: add_to_cart, where: event.sku == seen.sku, within: 1h}
    key: event.category
    unless: {on: purchase, where: event.order.total > 5, within: 1h}
    if: >-
      traits.spent > 1 && traits.viewed[event.category] > 1 && segments.vips && customer.language == 'de'
      && traits.worth > 1 && context.weather.temperature > 20
    send: {channel: email, content: {text: "{{ event.title }} {{ seen.brand }} {{ customer.first_name }}"}}
    limit: 1 per 1d
    goal: {on: purchase, within: 1d, value: order.total}
  other:
    on: [newsletter_open, app_start]
    send: {channel: push, content: {text: Hello}}
    limit: 1 per 1d
    goals: [{on: product_view, within: 1d}, {on: purchase, within: 3d}]

tests:
  - name: all of it
    customer:
      attributes:
        {email: a@b.c, status: gold, home: {country: DE}, language: de, first_name: Ada, deceased: false}
      consents: [marketing_email, health_advice]
    events:
      - {at: 0m, source: people, attributes: {illness: none}}
      - {at: 0m, source: weather, temperature: 25}
      - {at: 0m, event: product_view, price: 20, sku: s, category: c, platform: web, brand: b, remedy: r}
      - {at: 1m, event: add_to_cart, sku: s, category: c, title: t, device_token: d}
      - {at: 2m, event: purchase, source: till, order: {total: 9, pieces: 2}}
      - {at: 3m, event: newsletter_open, device_token: d}
      - {at: 3m, event: app_start}
    expect: []
"""


def warnings(folder: Path, text: str) -> list[str]:
    (folder / "a.yaml").write_text(text)
    checked = check_rules(folder)
    assert checked.rules is not None, checked.diagnostics
    return [str(each).removeprefix(f"{folder / 'a.yaml'}:") for each in checked.diagnostics]


def test_right_names_are_not_warned_of(tmp_path: Path) -> None:
    assert warnings(tmp_path, SHOP) == []


SLIPS = [
    # events
    ("{function: sum, of: purchase", "{function: sum, of: purchse", "W512"),
    ("of: product_view, per", "of: prodcut_view, per", "W512"),
    ("- {on: product_view, where", "- {on: productview, where", "W512"),
    ("- {on: add_to_cart, where", "- {on: Add to Cart, where", "W512"),
    ("unless: {on: purchase,", "unless: {on: purhcase,", "W512"),
    ("goal: {on: purchase,", "goal: {on: purchased,", "W512"),
    ("goals: [{on: product_view,", "goals: [{on: product-view,", "W512"),
    ("on: [newsletter_open, app_start]", "on: [newsletter_open, appstart]", "W512"),
    ("events: pharmacy_view,", "events: [pharmacy_view, newsletter_opne],", "W512"),
    # fields of events
    ("field: order.total}", "field: order.totla}", "W508"),
    ("field: order.total}", "field: odrer.total}", "W508"),
    ("* event.order.pieces", "* event.order.peices", "W508"),
    ("* event.order.pieces", "* event.odrer.pieces", "W508"),
    ("per: category,", "per: catgeory,", "W508"),
    ("where: event.platform ==", "where: event.platfrom ==", "W508"),
    ("where: event.price >", "where: event.prise >", "W508"),
    ("where: event.price >", "where: event.Price >", "W508"),
    ("segments.vips", "segments.vips && event['titel'] == ''", "W508"),
    ("event.sku == seen.sku", "event.SKU == seen.sku", "W508"),
    ("event.order.total > 5", "event.order.toatl > 5", "W508"),
    ("key: event.category", "key: event.categroy", "W508"),
    ("[event.category] > 1", "[event.catagory] > 1", "W508"),
    ("value: order.total}", "value: order.totals}", "W508"),
    ("address: event.device_token", "address: event.devicetoken", "W508"),
    ("event.remedy]", "event.remedi]", "W508"),
    ("{{ event.title }}", "{{ event.titel }}", "W508"),
    ("{{ seen.brand }}", "{{ seen.brnad }}", "W508"),
    ("{{ seen.brand }}", "{{ seen.maker }}", "W508"),  # what is written must be there
    ("context.weather.temperature", "context.weather.temprature", "W508"),
    # attributes
    ("customer.status ==", "customer.statsu ==", "W513"),
    ("customer.home.country", "customer.home.contry", "W513"),
    ("customer.home.country", "customer.hom.country", "W513"),
    ("customer.home.country", "customer.hoem.country", "W513"),
    ("event.sku == seen.sku", "event.sk == seen.sku", "W508"),
    ("event.sku == seen.sku", "event.suk == seen.sku", "W508"),
    ("event.sku == seen.sku", "event.skku == seen.sku", "W508"),
    ("event.sku == seen.sku", "event.skj == seen.sku", "W508"),
    ("event.sku == seen.sku", "event.sjku == seen.sku", "W508"),
    ("address: customer.email", "address: customer.emial", "W513"),
    ("suppress: customer.deceased", "suppress: customer.decesased", "W513"),
    ("[customer.illness,", "[customer.ilness,", "W513"),
    ("customer.language ==", "customer.langauge ==", "W513"),
    ("{{ customer.first_name }}", "{{ customer.firstName }}", "W513"),
    # purposes
    ("consent: marketing_email,", "consent: marketing_emial,", "W514"),
    ("consent: health_advice", "consent: health_advise", "W514"),
]


@pytest.mark.parametrize(("right", "slip", "code"), SLIPS, ids=lambda each: str(each))
def test_a_slip_in_any_place_is_warned_of(tmp_path: Path, right: str, slip: str, code: str | None) -> None:
    """`ok: 9 rules`, and the rule never fired, or the reminder went although they had bought."""
    assert SHOP.count(right) == 1
    found = [
        each for each in warnings(tmp_path, SHOP.replace(right, slip)) if "(did you mean" in each or code
    ]
    assert [each.rpartition("[")[2][:4] for each in found] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("right", "slip", "part", "finding"),
    [
        (
            "event.order.total > 5",
            "event.order.toatl > 5",
            "toatl",
            "has the field `order.toatl` (did you mean `order.total`?) [W508]",
        ),
        (
            "field: order.total}",
            "field: odrer.total}",
            "odrer",
            "has the field `odrer` (did you mean `order`?) [W508]",
        ),
        (
            "unless: {on: purchase,",
            "unless: {on: [add_to_cart, purhcase],",
            "purhcase",
            "has the event `purhcase` (did you mean `purchase`?) [W512]",
        ),
        (
            "customer.home.country",
            "customer.home.contry",
            "contry",
            "has the attribute `home.contry` (did you mean `home.country`?) [W513]",
        ),
        (
            "consent: marketing_email",
            "consent: marketing_emall",
            "marketing_emall",
            "has the purpose `marketing_emall` (did you mean `marketing_email`?) [W514]",
        ),
        (
            "customer.language ==",
            "customer.langauge ==",
            "langauge",
            "has the attribute `langauge` (did you mean `language`?) [W513]",
        ),
    ],
)
def test_a_slip_is_shown_where_it_is(tmp_path: Path, right: str, slip: str, part: str, finding: str) -> None:
    text = SHOP.replace(right, slip)
    before = text[: text.index(part)]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    message = f"warning: no test and no other definition {finding}"
    assert warnings(tmp_path, text) == [f"{place}: {message}"]


@pytest.mark.parametrize(
    ("right", "slip", "finding"),
    [
        ("segments.vips", "segments.vips && event_name == 'add_to_crat'", "(did you mean `add_to_cart`?)"),
        ("segments.vips", "segments.vips && 'home' == event_name", "(there are: add_to_cart)"),
        ("segments.vips", "segments.vips && event_name in ['add_to_cart', 'purchase']", "(there are: add_"),
        ("event.platform == 'web'", "event_name != 'product_veiw'", "(did you mean `product_view`?)"),
        ("event.order.total > 5", "event_name == 'purchases'", "(did you mean `purchase`?)"),
    ],
)
def test_an_event_is_never_called_what_is_not_waited_for(
    tmp_path: Path, right: str, slip: str, finding: str
) -> None:
    """`event_name == 'serach'` was `ok`, with `on: [search, home]`, and never held."""
    (found,) = warnings(tmp_path, SHOP.replace(right, slip))
    assert "no event here is called" in found
    assert finding in found


def test_a_text_that_shows_what_no_event_has_is_warned_of(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, SHOP.replace("{{ seen.brand }}", "{{ seen.maker }}"))
    assert found.endswith("rule `cart` shows the field `maker`, which no event of the tests has [W508]")


def test_a_slip_that_was_copied_is_one_all_the_same(tmp_path: Path) -> None:
    text = SHOP.replace("where: event.platform", "where: event.prise > 1 && event.platform")
    found = warnings(tmp_path, text.replace("event.price", "event.prise"))
    assert [each.partition(":")[0] for each in found] == ["10", "28"]
    assert {each.partition("warning: ")[2] for each in found} == {
        "no test has the field `prise` (did you mean `price`?) [W508]"
    }


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ("where: event.price >", "where: event.weight >"),  # like none that is known
        ("event.sku == seen.sku", "event.sum == seen.sku"),  # other words, that fingers do not make of it
        ("event.sku == seen.sku", "event.skus == seen.sku"),
        ("event.sku == seen.sku", "event.ku == seen.sku"),
        ("customer.home.country", "customer.dome.country"),
        ("segments.vips", "segments.vips && event_name == 'add_to_cart'"),
        ("where: event.price >", "where: event.price2 >"),  # differs by a number
        ("where: event.price >", "where: event.customer_id == 'c' || event.sent.at == '' || event.price >"),
        ("segments.vips", "segments.vips && context.weather[event.name] == 1"),
        ("segments.vips", "segments.vips && event.items.exists(prise, prise.x == 1)"),
        (
            "customer.language ==",
            "customer.timezone == 'UTC' && customer.locale == 'de' && customer.language ==",
        ),
        ("goals: [{on: product_view,", "goals: [{on: product_views_2,"),
        ("on: [newsletter_open, app_start]", "on: [newsletter_open, app_start, app_stop]"),
        ("tests:", "untested:"),
    ],
)
def test_other_names_are_not_warned_of(tmp_path: Path, right: str, other: str) -> None:
    text = SHOP.replace(right, other)
    if right == "tests:":
        text = SHOP.partition("tests:")[0].replace("context.weather.temperature", "context.weather.rain")
    assert warnings(tmp_path, text) == []


def test_of_two_untested_names_that_are_alike_one_is_wrong(tmp_path: Path) -> None:
    text = SHOP.partition("tests:")[0].replace("goal: {on: purchase,", "goal: {on: newsleter_open,")
    (found,) = warnings(tmp_path, text)
    assert "`newsleter_open` (did you mean `newsletter_open`?)" in found


def test_a_slip_that_was_copied_is_one_where_more_have_the_other_name(tmp_path: Path) -> None:
    """Copied once, `first_nam` was taken for a name of its own, however many others said `first_name`."""
    texts = ["first_name", "first_nam", "first_name", "first_nam", "first_name"]
    rules = "".join(
        f"  r{number}: {{on: app_start, limit: 1 per 1d, goal: {{on: purchase, within: 1d}}, "
        f"send: {{channel: push, content: {{text: 'Hi {{{{ customer.{name} }}}}'}}}}}}\n"
        for number, name in enumerate(texts)
    )
    text = SHOP.replace("  other:\n", f"{rules}  other:\n").replace(" first_name: Ada,", "")
    found = [each.partition("warning: ")[2] for each in warnings(tmp_path, text) if "first_nam" in each]
    assert found == ["no test has the attribute `first_nam` (did you mean `first_name`?) [W513]"] * 2


def test_attributes_that_one_source_of_profiles_names_are_known(tmp_path: Path) -> None:
    """Where another source did not say its own there was no plan, and what the first named was forgotten."""
    known = "people: {kind: profile, customer: customer_id, attributes: {first_name: string}}"
    text = SHOP.replace(
        "people: {kind: profile, customer: customer_id}", f"{known}\n  crm: {{kind: profile, customer: id}}"
    )
    text = text.replace(" first_name: Ada,", "").replace(
        "{{ customer.first_name }}", "{{ customer.first_nam }}"
    )
    (found,) = warnings(tmp_path, text)
    assert "no other definition has the attribute `first_nam` (did you mean `first_name`?) [W513]" in found


def test_names_of_half_a_megabyte_take_no_memory(tmp_path: Path) -> None:
    """What a name has in common with others was kept letter by letter: a quarter of a terabyte."""
    name = "x" * 400_000
    text = SHOP.replace("price: 20,", f"price: 20, ? {name} : 1,")
    assert (
        warnings(tmp_path, text.replace("segments.vips", f"segments.vips && event.{name[:900]} == 1")) == []
    )


@pytest.mark.parametrize(
    ("right", "wrong", "code", "hint"),
    [
        (
            "on: [newsletter_open, app_start]",
            "on: 'newsletter_open, app_start'",
            "W512",
            "[newsletter_open, app_start]",
        ),
        ("of: product_view", "of: '*'", "W512", "name them, in a list"),
        ("field: order.total", "field: event.order.total", "W508", "write `field: order.total`"),
        ("per: category", "per: event.category", "W508", "write `per: category`"),
        ("value: order.total}", "value: event.order.total}", "W508", "write `value: order.total`"),
        ("customer.status ==", "customer.attributes.status ==", "W513", "`customer.NAME`"),
        ("address: customer.email", "address: customer.attributes.email", "W513", "`customer.NAME`"),
        ("{{ customer.first_name }}", "{{ customer.id }}", "W513", "`event.customer_id`"),
        ("customer.language == 'de'", "customer.segments.vips", "W513", "`segments.NAME`"),
        ("events: pharmacy_view", "events: product_veiw", "W512", "product_view"),
    ],
)
def test_names_that_are_never_there_passed_and_never_fired(
    tmp_path: Path, right: str, wrong: str, code: str, hint: str
) -> None:
    assert right in SHOP
    (tmp_path / "a.yaml").write_text(SHOP.replace(right, wrong))
    checked = check_rules(tmp_path)
    assert checked.rules is not None
    assert [each.hint for each in checked.diagnostics if each.code == code and hint in (each.hint or "")]


def test_an_object_called_event_is_read_as_ever(tmp_path: Path) -> None:
    text = SHOP.replace("customer: customer_id, time: sent.at", "customer: event.by, time: sent.at")
    assert warnings(tmp_path, text.replace("per: category", "per: event.by")) == []


@pytest.mark.parametrize("no", ["no", "false", "null", "None", "off"])
def test_a_consent_that_is_called_no_was_one_that_nobody_grants(tmp_path: Path, no: str) -> None:
    (tmp_path / "a.yaml").write_text(SHOP.replace("consent: none, address", f"consent: {no}, address"))
    (found,) = check_rules(tmp_path).diagnostics
    assert (found.code, found.hint) == ("E106", "write none")


def test_a_policy_that_held_everybody_out_sent_nothing_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SHOP.replace("timezone: UTC", "timezone: UTC\n  holdout: 100%"))
    (found,) = check_rules(tmp_path).diagnostics
    assert (found.code, found.message) == ("E114", "`holdout` holds everybody out")


LISTS = """\
sources:
  shop: {event: name, customer: customer_id}
channels:
  web: {topic: web, consent: none}
policy: {allow: [W501, W505]}
rules:
  thanks:
    on: order
    if: CONDITION
    send: {channel: web, content: {text: "TEXT"}}
tests:
  - name: an order
    events:
      - {at: 1m, event: order, order: {total: 5}, net.sum: 4, bag: [], items: [{sku: a, tags: [{id: 1}]}]}
    expect: []
"""


@pytest.mark.parametrize(
    ("condition", "text", "said"),
    [
        ("event.items.exists(i, i.skuu == 'a')", "", "9:33: warning: no test and no other definition has the "
         "field `items[].skuu` (did you mean `items[].sku`?) [W508]"),
        ("event.items.filter(i, i.sku != '').all(j, has(j.suk))", "", "(did you mean `items[].sku`?)"),
        ("event.items.exists(i, i.tags.exists(t, t.idd == 1))", "", "(did you mean `items[].tags[].id`?)"),
        ("event.items[0].skuu == 'a'", "", "(did you mean `items[].sku`?)"),
        ("event['order.total'] > 4", "", "has the field `'order.total'` (write event.order.total) [W508]"),
        ("event.x", "{{ event.items[0].name }}", "the field `items[].name`, which no event of the tests has"),
        ("event.x", "{{ event.items.first.suk }}", "(did you mean `sku`?)"),
        ("event.x", "{{ event.order.id }}", "shows the field `order.id`, which no event"),
        ("event.x", "{{ event['order.total'] }}", "(write event.order.total)"),
        ("event.x", "{% for i in event.items %}{{ i.skuu }}{% endfor %}", "10:77: warning: rule `thanks` "
         "shows the field `items[].skuu`, which no event of the tests has (did you mean `sku`?) [W508]"),
        ("event.x", "{% for i in event.items %}{% if i.suk == 'a' %}x{% endif %}{% endfor %}", "`sku`?)"),
        ("event.x", "{% for i in event.items %}{% for t in i.tags %}{{ t.idd }}{% endfor %}{% endfor %}",
         "(did you mean `id`?)"),
        ("event.x", "{% assign i = event.items | last %}{{ i.skuu | upcase }}", "(did you mean `sku`?)"),
    ],
)  # fmt: skip
def test_a_name_that_no_item_of_a_list_has_was_asked_for_in_vain(
    tmp_path: Path, condition: str, text: str, said: str
) -> None:
    (found,) = warnings(tmp_path, LISTS.replace("CONDITION", condition).replace("TEXT", f"Hi {text}"))
    assert said in found


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("event.items.exists(i, i.sku == 'a' && i.note == 'x') && event.bag.exists(i, i.skuu == 'a')", ""),
        ("event.items.exists(order, order.sku == 'a') && event.order.all(key, key != 'totl')", ""),
        ("customer.list.exists(i, i.skuu == 1) && event.order[event.skuu] == 5 && event['net.sum'] == 4", ""),
        ("event.x", "{% for i in event.items %}{{ i.sku }}{{ i.tags[0].id }}{{ forloop.first }}{% endfor %}"),
        ("event.x", "{% for i in event.order %}{{ i[0] }}: {{ i[1] }}{{ i.first }}{% endfor %}"),
        ("event.x", "{% for i in event.bag %}{{ i.skuu }}{% endfor %}"),
        ("event.items[0].tags[0].id == 1", "{{ event.items.first.tags.size }} {{ event.bag[0].x }}"),
        (
            "event.order.total == 5",
            "{{ event.order.size }} {{ event['net.sum'] }} {{ event.order[event.bag] }}",
        ),
    ],
)
def test_what_an_item_can_have_is_not_warned_of(tmp_path: Path, condition: str, text: str) -> None:
    assert warnings(tmp_path, LISTS.replace("CONDITION", condition).replace("TEXT", f"Hi {text}")) == []
