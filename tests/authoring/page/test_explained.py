"""The page of `stream explain`: it has what is told, and nothing of it is read as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from stream.authoring.page.explained import MOST_MOMENTS, page
from tests.authoring.explain.explainkit import found, known_after, line, rules_in, tell

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_what_events_and_ids_say_is_never_markup(tmp_path: Path) -> None:
    rules = rules_in(tmp_path)
    events = [line(0, "view", HOSTILE, sku=HOSTILE, price=20, gift=True), line(1, HOSTILE, HOSTILE)]
    events.append(line(2, "view", HOSTILE, sku=HOSTILE, price=20, gift=True))
    text = page(found(tell(tmp_path, events, HOSTILE, rules=rules)))
    tags = Tags(text).found
    assert not {name for name, _ in tags} & {"script", "img", "iframe", "object"}
    assert not [key for _, attributes in tags for key in attributes if key.startswith("on")]
    assert "\u202e" not in text
    assert "default-src 'none'" in text


def test_the_page_says_of_each_rule_what_became_of_it_with_the_nearest_as_a_tree(tmp_path: Path) -> None:
    events = [line(at, "view", sku="a", price=20) for at in range(2)]
    text = re.sub(r"</?(bdi|code)>", "", page(found(tell(tmp_path, events))))
    assert "its `if` did not hold, 2 times" in text
    assert '<li data-sign="✔">traits.views &gt;= 2 is true; traits.views is 2</li>' in text
    assert "customer.vip is an error; there is no customer.vip" in text
    assert "not had (did you mean `view`?)" in text


def test_a_long_life_is_cut_to_its_last_moments(tmp_path: Path) -> None:
    events = [line(at % 780, "buy", id=f"i{at}") for at in range(MOST_MOMENTS + 3)]
    text = page(found(tell(tmp_path, events)))
    assert "3 moments before are left out" in text
    assert text.count('class="moment"') == MOST_MOMENTS


def test_the_page_says_what_a_worker_knew_before(tmp_path: Path) -> None:
    rules = rules_in(tmp_path)
    known = known_after(tmp_path, [line(0, "view", sku="a"), line(1, "cart")], rules, 1_772_445_720_000)
    told = found(tell(tmp_path, [line(3, "view", sku="b")], rules=rules, known=known))
    text = re.sub(r"</?(bdi|code)>", "", page(told))
    assert "What a worker knew before" in text
    assert "At 2026-03-02T10:02:00.000Z, by changelog/0/7" in text
    assert "left had begun, waits until 2026-03-02T10:31:00.000Z" in text
