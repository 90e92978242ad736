"""Rule sets for the load test: directories, the generated REF families, and both with prefixed topics."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
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
QUIET = "-quiet"  # after a set's name: thresholds at which hardly anything fires

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


@dataclass(frozen=True, slots=True)
class RefRule:
    """The parameters of a generated rule, of which every tool makes its own.

    `key` is the number of its category or store, `above` the price or sum that has to be exceeded, `least`
    how many views or carts there must be.
    """

    family: str
    name: str
    key: int
    above: int = 0
    least: int = 0


def stage(rule_set: str, target: Path, prefix: str = "") -> Path:
    """Write a rule set into a directory below `target`, its topics named with `prefix`; gives that directory.

    `rule_set` is a directory of rule files, or the name of a generated set. The directory's name labels it.
    Raises SettingsError for anything else, and for a name that `target` has already.
    """
    directory = target / Path(rule_set).resolve().name
    if directory.exists():
        raise SettingsError(f"two rule sets are called {directory.name!r}", hint="copy one to another name")
    generated = ref_named(rule_set)
    if generated:
        directory.mkdir()
        for name, text in ref_files(generated).items():
            (directory / name).write_text(text, encoding="utf-8")
    elif Path(rule_set).is_dir():
        shutil.copytree(rule_set, directory)
    else:
        known = ", ".join(f"ref{size}" for size in FAMILIES)
        raise SettingsError(
            f"no rule set {rule_set!r}",
            hint=f"a directory of rule files, or one of {known}, each with {QUIET} behind it or without",
        )
    if prefix:
        for path in sorted(directory.rglob("*.y*ml")):
            _prefix_topics(path, prefix)
    return directory


def ref_rules(size: int = 300) -> dict[str, str]:
    """REF-300, -500 or -2000 as rule files, by file name."""
    return ref_files(ref_parameters(size))


def ref_named(name: str) -> list[RefRule]:
    """The rules of `ref300`, `ref500`, `ref2000`, with QUIET behind it or not; none of any other name."""
    found = re.fullmatch(rf"ref(\d+)({QUIET})?", name)
    if not found or int(found[1]) not in FAMILIES:
        return []
    return ref_parameters(int(found[1]), quiet=found[2] is not None)


def ref_parameters(size: int = 300, *, quiet: bool = False) -> list[RefRule]:
    """The rules of REF-300, -500 or -2000, family by family."""
    interest, spender, checkout, cart = (FAMILIES | LARGE)[size]
    views, times, carts = (4, 8, 3) if quiet else (3, 1, 1)
    return [
        *(
            RefRule("interest", f"interest-{i:03d}", i % CATEGORIES, 10 * (i % 25), views + i % 5)
            for i in range(interest)
        ),
        *(
            RefRule("spender", f"spender-{i:03d}", i % STORES, times * (100 + 20 * (i % 40)))
            for i in range(spender)
        ),
        *(RefRule("checkout", f"checkout-{i:03d}", i % CATEGORIES, least=carts) for i in range(checkout)),
        *(RefRule("cart", f"cart-{i:03d}", i % CATEGORIES) for i in range(cart)),
    ]


def ref_files(rules: list[RefRule]) -> dict[str, str]:
    """Generated rules as rule files, by file name: one for each family."""
    bodies = {"interest": _interest, "spender": _spender, "checkout": _checkout, "cart": _cart}
    files = {
        f"{family}.yaml": _rules((rule, body(rule)) for rule in rules if rule.family == family)
        for family, body in bodies.items()
    }
    return {"sources.yaml": SOURCES} | files


def _rules(bodies: Iterator[tuple[RefRule, str]]) -> str:
    # The content has no variables: what is measured is finding and judging, not templates.
    rules = (
        f"  {rule.name}:\n{body}"
        f"    send: {{channel: {rule.family}, content: {{text: {rule.name}}}}}\n    limit: 1 per 1d\n"
        for rule, body in bodies
    )
    return "rules:\n" + "\n".join(rules)


def _interest(rule: RefRule) -> str:
    return (
        "    on: product_view\n"
        f"    where: \"event.category == 'cat{rule.key}' && event.price > {rule.above}\"\n"
        f"    if: \"traits.views_1h['cat{rule.key}'] >= {rule.least}\"\n"
    )


def _spender(rule: RefRule) -> str:
    return (
        "    on: purchase\n"
        f"    where: \"event.store == 's{rule.key}'\"\n"
        f'    if: "traits.spend_30d > {rule.above}"\n'
    )


def _checkout(rule: RefRule) -> str:
    return (
        "    on: page_view\n"
        "    where: \"event.page == '/checkout'\"\n"
        f"    if: \"traits.carts_30m['cat{rule.key}'] >= {rule.least}\"\n"
    )


def _cart(rule: RefRule) -> str:
    return (
        "    on: add_to_cart\n"
        f"    where: \"event.category == 'cat{rule.key}'\"\n"
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
