"""What an outsider makes large, and the rules that it meets. Shared by the tests with Kafka and without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The rules of a shop whose authors thought of none of this. PREFIX: of its topics.
RULES = """
sources:
  clicks: {topic: PREFIX-clicks, event: event, customer: customer, time: ts, id: id}
traits:
  by_sku: {function: count, of: view, per: sku}
  skus: {function: distinct, of: view, field: sku}
  last_sku: {function: last, of: view, field: sku, per: page, over: 7d}
channels:
  web: {topic: PREFIX-web, consent: none}
  mail: {topic: PREFIX-mail, consent: none, address: event.address}
rules:
  every-view: {on: view, send: {channel: web, content: {views: "{{ traits.skus }}"}}}
  bug:
    on: bug
    limit: 1 per 7d
    send: {channel: web, content: {first: "{{ event.session }}", second: "{{ event.session }}"}}
  mail: {on: mail, send: {channel: mail, content: {text: "Hello"}}}
  cart:
    on: cart
    unless: {on: purchase, within: 1h}
    send:
      channel: web
      content: {text: "{{ event.session | default: 'none' | truncate: 20 }} {{ event.sku }}"}
  twice:
    steps:
      - {on: cart, as: first}
      - {on: cart, as: second, where: "event.n > first.n", within: 1h}
    wait: 30m
    send: {channel: web, content: {text: "{{ first.session | truncate: 20 }} {{ second.sku }}"}}
"""

Events = list[Mapping[str, Any]]


def views() -> Events:
    """1,100 products with names of 1,000 bytes, for each of which a trait has a count."""
    return [{"event": "view", "sku": f"{n}{'s' * 995}", "page": n % 7} for n in range(1100)]


# By what it did: events of one customer.
LARGE: dict[str, Events] = {
    "an event id of a megabyte": [{"event": "view", "id": "i" * 1_048_400}],
    "an event id of control characters": [{"event": "view", "id": "\x01" * 170_000}],
    "an address of a megabyte": [{"event": "mail", "address": "a" * 1_048_400}],
    "an address that is a large object": [{"event": "mail", "address": {"street": "s" * 1_048_400}}],
    "a session of a megabyte in a text": [{"event": "bug", "session": "s" * 1_000_000}],
    "a session of 600 kB that two rules keep": [{"event": "cart", "session": "s" * 600_000, "n": 1}],
    "two captured events of 700 kB": [{"event": "cart", "session": "s" * 700_000, "n": n} for n in (1, 2)],
    "many captured events of 60 kB": [{"event": "cart", "session": "s" * 60_000, "n": n} for n in range(9)],
    "a kept event of many fields": [{"event": "cart", "n": 1, **{f"f{n}": "x" * 100 for n in range(8000)}}],
    "1,100 long values in three traits": views(),
}
