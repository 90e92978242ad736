"""What is proposed at a place: keys, names, and what conditions and texts are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.authoring.editor import forms_at
from stream.authoring.editor.completion import Proposal, complete
from stream.authoring.editor.folder import RulesFolder
from stream.authoring.editor.functions import FILTERS, FUNCTIONS
from stream.authoring.editor.names import KnownNames
from stream.cel.functions import SIGNATURES
from stream.cel.tree import MACROS
from stream.content.filters import BY_NAME
from tests.kit.editor import at_cursor

COMMON = """
sources:
  clicks: {event: event, customer: customer_id, id: event_id}
  profiles: {kind: profile, customer: c, attributes: {email: string, size: number}, consents: [news, push]}
  weather: {kind: context, customer: c, fields: {temperature: number}}
events:
  product_view:
    describe: A product was looked at
    fields:
      sku: string
      order.id: string
      "'coupon code'": string
      currency: {type: string, values: [EUR, USD]}
traits:
  views: {function: count, of: product_view, per: sku, over: 1d}
  rhythm: {function: gap, of: purchase}
  favourites: {function: top, of: product_view, field: sku}
segments:
  keen: traits.rhythm.mean > 3.0
channels:
  email: {topic: t, consent: news, address: customer.email}
  web: {topic: w, consent: none}
policy:
  sensitive: {pregnancy: {events: [nursery]}}
rules:
  looked:
    on: product_view
    group: cart
    send: {channel: email, variants: [{name: plain, share: 100%, content: {s: x}}]}
tests:
  - name: a
    customer: {attributes: {hobby: golf}}
    events:
      - {at: 0m, event: purchase, amount: 3.5, lines: [1], cart: {items: 2}}
    expect: []
"""


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> KnownNames:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "common.yaml").write_text(COMMON)
    return RulesFolder(folder).names


def proposed(names: KnownNames, text: str, *, with_schema: bool = True) -> list[Proposal]:
    text, place = at_cursor(text)
    offset = sum(len(line) + 1 for line in text.split("\n")[: place["line"]]) + place["character"]
    return complete(text, offset, names, with_schema=with_schema)


def labels(names: KnownNames, text: str) -> set[str]:
    return {each.label for each in proposed(names, text)}


RULE = "rules:\n  a:\n    on: product_view\n    "


@pytest.mark.parametrize(
    ("text", "some"),
    [
        (
            RULE + "if: |\n",
            "event event_name event_time customer now traits segments context size timestamp has",
        ),
        (RULE + "if: traits.|\n", "views rhythm favourites"),
        (RULE + "if: traits.rhythm.|\n", "mean deviation since"),
        (RULE + "if: segments.|\n", "keen"),
        (RULE + "if: context.weather.|\n", "temperature"),
        (RULE + "if: customer.|\n", "email size timezone locale hobby"),
        (RULE + "where: event.|\n", "sku order currency event_id customer_id"),
        (RULE + "where: event.order.|\n", "id"),
        (RULE + "where: event.currency == '|'\n", "EUR USD"),
        (RULE + "where: event.currency in ['EUR', '|']\n", "EUR USD"),
        (RULE + "where: event.sku.|\n", "startsWith contains lowerAscii size"),
        (RULE + "if: event_time.|\n", "getHours getDayOfWeek"),
        (RULE + "if: event.sku.trim().|\n", "startsWith size"),
        (RULE + 'send: {content: {s: "{{ event.|', "sku order currency"),
        (RULE + 'send: {content: {s: "{{ event.sku | ¦', "money date upcase"),
        (RULE + 'send: {content: {s: "{% |', "if for assign"),
        (RULE + "send: {channel: |}\n", "email web"),
        (RULE + "send: {channel: [email, |]}\n", "email web"),
        (RULE + "group: |\n", "cart"),
        (RULE + "sensitive: [|]\n", "pregnancy"),
        (RULE + "discloses: [|]\n", "weather"),
        (RULE + "allow: [|]\n", "W505"),
        (RULE + "key: |\n", "event.sku event.order.id"),
        (RULE + "|\n", "where send limit goal"),
        (RULE + "unless: {|}\n", "on where within"),
        ("traits:\n  t:\n    function: |\n", "count sum gap"),
        ("traits:\n  t:\n    of: |\n", "product_view purchase"),
        ("traits:\n  t:\n    of: purchase\n    per: |\n", "amount cart"),
        ("traits:\n  t:\n    of: purchase\n    value: event.cart.|\n", "items"),
        ("events:\n  e:\n    source: |\n", "clicks"),
        ("channels:\n  c:\n    consent: |\n", "news push pregnancy none"),
        ("channels:\n  c:\n    address: |\n", "customer.email event.sku"),
        ("policy:\n  timezone: |\n", "Europe/Berlin"),
        ("policy:\n  suppress: |\n", "traits customer"),
        ("tests:\n  - rule: |\n", "looked"),
        ("tests:\n  - arm: |\n", "holdout plain"),
        ("tests:\n  - known: {|}\n", "views rhythm"),
        ("tests:\n  - customer: {consents: [|]}\n", "news push"),
        ("tests:\n  - customer: {attributes: {|}}\n", "email size"),
        ("tests:\n  - events:\n      - {at: 0m, event: |}\n", "product_view purchase"),
        ("tests:\n  - events:\n      - {at: 0m, event: product_view, |}\n", "sku currency source late"),
        ("tests:\n  - events:\n      - {at: 0m, source: |}\n", "clicks profiles weather"),
        ("tests:\n  - expect:\n      - {channel: |}\n", "email web"),
        ("|", "rules traits sources tests"),
    ],
)
def test_what_can_be_written_is_proposed(names: KnownNames, text: str, some: str) -> None:
    assert set(some.split()) <= labels(names, text)


@pytest.mark.parametrize(
    ("text", "none"),
    [
        (RULE + "where: |\n", "traits customer segments"),  # sees the event only
        (RULE + "where: event.sku.|\n", "getHours join"),
        (RULE + "|\n", "on"),  # there already
        ("segments:\n  s: |\n", "event"),
        ("traits:\n  t:\n    of: purchase\n    field: |\n", "sku"),
        (RULE + "discloses: [|]\n", "clicks"),
    ],
)
def test_what_cannot_be_written_is_not(names: KnownNames, text: str, none: str) -> None:
    assert not set(none.split()) & labels(names, text)


def test_in_the_words_of_a_text_and_in_a_comment_nothing_is(names: KnownNames) -> None:
    assert labels(names, RULE + 'send: {content: {s: "Hello |"}}\n') == set()
    assert labels(names, RULE + 'send: {content: {s: "{{ event.sku }} |"}}\n') == set()
    assert labels(names, RULE + "# |\n") == set()


def test_what_another_server_knows_can_be_left_to_it(names: KnownNames) -> None:
    assert proposed(names, RULE + "|\n", with_schema=False) == []
    assert {each.label for each in proposed(names, RULE + "send: {channel: |}", with_schema=False)} == {
        "email",
        "web",
    }


def test_a_field_whose_name_is_no_word_stands_in_brackets(names: KnownNames) -> None:
    found = {each.label: each for each in proposed(names, RULE + "where: event.|\n")}
    assert found["coupon code"].insert == "event['coupon code']"


def test_a_field_has_its_type_and_where_it_is_known_from(names: KnownNames) -> None:
    found = {
        each.label: each for each in proposed(names, "rules:\n  a:\n    on: purchase\n    if: event.|\n")
    }
    assert (found["amount"].detail, found["amount"].says) == ("number", "Field, as tests have it.")
    assert found["customer_id"].says == "Field, the `customer` of source `clicks`."


def test_every_function_macro_and_filter_says_what_it_does() -> None:
    assert set(FUNCTIONS) == {*SIGNATURES, *MACROS, "has"}
    assert set(FILTERS) == set(BY_NAME)
    assert all(each.says and each.signature for each in (*FUNCTIONS.values(), *FILTERS.values()))


def test_a_whole_rule_is_written_as_yaml_at_its_place(names: KnownNames) -> None:
    rule = next(each for each in proposed(names, "rules:\n  |\n") if "wait" in each.label)
    written = "rules:\n  " + forms_at.without_placeholders(rule.insert) + "\n"
    assert "\n    unless:\n      on: purchase\n" in written


def test_examples_of_tests_fill_a_plan_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("tests:\n  - events:\n      - {at: 0m, event: home, page: a}\n")
    assert labels(RulesFolder(tmp_path).names, "rules:\n  a:\n    on: home\n    if: event.|\n") >= {"page"}
