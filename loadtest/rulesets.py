"""Rule sets for the load test: directories, the generated REF families, and both with prefixed topics."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from loadtest.workloads import CATEGORIES, STORES
from stream.errors import SettingsError

# Rules of the families A (interest), B (spender), C (checkout), D (cart) by the size of the set.
FAMILIES = {
    300: (100, 100, 60, 40),
    500: (160, 160, 100, 80),
    2000: (640, 640, 400, 320),
}
LARGE = {10_000: (3200, 3200, 2000, 1600)}  # more values than one file may have: see `micro.engine.strangers`

SOURCES = """\
sources:
  clickstream: {event: event, customer: customer_id, time: ts, id: event_id}
  transactions: {event: event, customer: customer_id, time: ts, id: event_id}

# One channel for each family, so that the counts of records per topic are the counts per family.
channels:
  interest: {topic: triggers.interest, consent: none}
  spender: {topic: triggers.spender, consent: none}
  checkout: {topic: triggers.checkout, consent: none}
  cart: {topic: triggers.cart, consent: none}

traits:
  views_1h: {function: count, of: product_view, per: category, over: 1h}
  spend_30d: {function: sum, of: purchase, field: amount, over: 30d}
  carts_30m: {function: count, of: add_to_cart, per: category, over: 30m}
"""


def stage(rule_set: str, target: Path, prefix: str = "") -> Path:
    """Write a rule set into a directory below `target`, its topics named with `prefix`; gives that directory.

    `rule_set` is a directory of rule files, or `ref300`, `ref500`, `ref2000`. The directory's name labels it.
    Raises SettingsError for anything else, and for a name that `target` has already.
    """
    directory = target / Path(rule_set).resolve().name
    if directory.exists():
        raise SettingsError(f"two rule sets are called {directory.name!r}", hint="copy one to another name")
    generated = re.fullmatch(r"ref(\d+)", rule_set)
    if generated and int(generated[1]) in FAMILIES:
        directory.mkdir()
        for name, text in ref_rules(int(generated[1])).items():
            (directory / name).write_text(text, encoding="utf-8")
    elif Path(rule_set).is_dir():
        shutil.copytree(rule_set, directory)
    else:
        known = ", ".join(f"ref{size}" for size in FAMILIES)
        raise SettingsError(f"no rule set {rule_set!r}", hint=f"a directory of rule files, or one of {known}")
    if prefix:
        for path in sorted(directory.rglob("*.y*ml")):
            _prefix_topics(path, prefix)
    return directory


def ref_rules(size: int = 300) -> dict[str, str]:
    """REF-300, -500 or -2000 as rule files, by file name."""
    interest, spender, checkout, cart = (FAMILIES | LARGE)[size]
    return {
        "sources.yaml": SOURCES,
        "interest.yaml": _rules("interest", map(_interest, range(interest))),
        "spender.yaml": _rules("spender", map(_spender, range(spender))),
        "checkout.yaml": _rules("checkout", map(_checkout, range(checkout))),
        "cart.yaml": _rules("cart", map(_cart, range(cart))),
    }


def _rules(family: str, bodies: Iterator[str]) -> str:
    # The content has no variables: what is measured is finding and judging, not templates.
    rules = (
        f"  {family}-{i:03d}:\n{body}"
        f"    send: {{channel: {family}, content: {{text: {family}-{i:03d}}}}}\n    limit: 1 per 1d\n"
        for i, body in enumerate(bodies)
    )
    return "rules:\n" + "\n".join(rules)


def _interest(i: int) -> str:
    category = f"cat{i % CATEGORIES}"
    return (
        "    on: product_view\n"
        f"    where: \"event.category == '{category}' && event.price > {10 * (i % 25)}\"\n"
        f"    if: \"traits.views_1h['{category}'] >= {3 + i % 5}\"\n"
    )


def _spender(i: int) -> str:
    return (
        "    on: purchase\n"
        f"    where: \"event.store == 's{i % STORES}'\"\n"
        f'    if: "traits.spend_30d > {100 + 20 * (i % 40)}"\n'
    )


def _checkout(i: int) -> str:
    return (
        "    on: page_view\n"
        "    where: \"event.page == '/checkout'\"\n"
        f"    if: \"traits.carts_30m['cat{i % CATEGORIES}'] >= 1\"\n"
    )


def _cart(i: int) -> str:
    return (
        "    on: add_to_cart\n"
        f"    where: \"event.category == 'cat{i % CATEGORIES}'\"\n"
        "    unless: {on: purchase, within: 30m}\n"
        "    again: keep\n"
    )


def _prefix_topics(path: Path, prefix: str) -> None:
    """Put `prefix` before every topic of the file; a source's topic is its name unless it says otherwise."""
    yaml = YAML()
    yaml.width = 10_000  # conditions and contents stay on their lines
    content = yaml.load(path)
    for key in ("sources", "channels"):
        for name, definition in (content.get(key) or {}).items():
            definition["topic"] = prefix + definition.get("topic", name)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
