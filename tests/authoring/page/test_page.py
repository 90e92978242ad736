"""The page of a backtest: complete, readable, and safe whatever rules and events say."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import combinations
from math import dist
from pathlib import Path
from typing import Any, get_args

import pytest

from stream.authoring.backtest.findings import LEAST_REACHED
from stream.authoring.page.page import MOST_SECTIONS, page
from stream.authoring.page.parts import MOST_COLUMNS, columns_of_days, step_of
from stream.authoring.page.rules import WHY
from stream.authoring.page.style import DARK, LIGHT, STYLE
from stream.structs import DecisionReason
from tests.authoring.backtest.test_figures import click, consents, found_of, rule

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u202etxet desrever\u2069",
    "' onmouseover='alert(1)",
    "]]><!--",
    "{{ event.id }}",
    "https://tracker.example/pixel.gif",
)
VOID = {"meta", "link"}


class Page(HTMLParser):
    """Reads a page as strictly as XML is read: what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.open, self.tags = text, [], []
        self.attributes: list[tuple[str, str]] = []
        self.headings: list[int] = []
        self.feed(text)
        self.close()
        assert self.open == []

    open: list[str]
    tags: list[str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shop(folder: Path, text: str = "Hello") -> dict[str, Any]:
    """A backtest in which everything there is to show is there, `text` wherever a text can be."""
    quoted = "'" + text.replace("'", "''") + "'"
    rules = f"""
policy: {{timezone: UTC}}
traits: {{views: {{function: count, of: view, over: 7d}}}}
segments: {{lookers: traits.views > 0, fans: traits.views > 1}}
rules:
  seen:
    describe: {quoted}
    on: view
    send:
      channel: [web, mail]
      variants: [{{name: one, share: 100%, content: {{{quoted}: "{{{{ event.say }}}}"}}}}]
    holdout: 10%
    group: one
    priority: 1
    goal: {{on: buy, within: 10d}}
  also: {rule("web", "group: one")}
  never: {rule("mail").replace("view", "nothing")}
"""
    events = [consents(text)] + [
        click(
            f"2026-03-0{1 + n % 8}T10:00:{n % 60:02}", customer=f"{text}{n % 90}", id=f"{text}{n}", say=text
        )
        for n in range(180)
    ]
    events.sort(key=lambda event: event.get("ts", ""))
    events += [click("2026-03-08T12:00:00", "buy", f"{text}{n}") for n in range(30)]
    events += [click("2026-03-30T12:00:00", text, text), {"source": text}]
    return found_of(folder, rules, events)


def test_it_tells_everything(tmp_path: Path) -> None:
    found = shop(tmp_path)
    assert found["rules"]["seen"]["plan"]["reached"] >= LEAST_REACHED
    text = page(found)
    for heading in (
        *(
            "At a glance",
            "Rules",
            "All messages",
            "How much a customer gets",
            "Rules in each other’s way",
            "Segments",
        ),
        *("How long until you know what a rule brings", "What was not used, or odd", "The first messages"),
    ):
        assert f">{heading}</h" in text
    assert "1 of 3 rules matched nothing" in text
    assert "you will know after" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_rule_and_no_event_can_write_markup(tmp_path: Path, text: str) -> None:
    (tmp_path / "plain").mkdir()
    plain, hostile = Page(page(shop(tmp_path / "plain"))), Page(page(shop(tmp_path, text)))
    assert hostile.tags == plain.tags
    assert {name for name, _ in hostile.attributes} == {name for name, _ in plain.attributes}
    assert "\u202e" not in hostile.text


def test_its_own_policy_allows_its_style_and_nothing_else(tmp_path: Path) -> None:
    text = page(shop(tmp_path))
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', text)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashed}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    read = Page(text)
    assert not {"script", "img", "iframe", "object", "form", "base", "a:visited"} & set(read.tags)
    assert not {name for name, _ in read.attributes if name.startswith("on") or name in ("style", "src")}
    assert {value for name, value in read.attributes if name == "href" and not value.startswith("#")} == {
        "data:,"
    }
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_who_cannot_see_it_is_told(tmp_path: Path) -> None:
    text = page(shop(tmp_path))
    read = Page(text)
    assert read.headings[0] == 1
    assert read.headings.count(1) == 1
    assert all(deeper - before <= 1 for before, deeper in zip(read.headings, read.headings[1:], strict=False))
    assert read.tags.count("table") == text.count("<caption>")
    charts = re.findall("<svg [^>]*>", text)
    assert len(charts) > 10
    assert all('role="img" aria-label="' in each or 'aria-hidden="true"' in each for each in charts)
    assert read.tags.count("figure") == read.tags.count("figcaption") == read.tags.count("details") > 3
    assert re.search('<html lang="en">', text)
    ids = [value for name, value in read.attributes if name == "id"]
    led_to = {value[1:] for name, value in read.attributes if name == "href" and value.startswith("#")}
    assert led_to == set(ids)


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 has it."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_it_can_be_read_in_light_and_dark(colours: dict[str, str]) -> None:
    paper = colours["paper"]
    assert min(contrast(colours[name], paper) for name in ("ink", "soft", "link")) >= 4.5
    assert min(contrast(colours[f"c{number}"], paper) for number in range(6)) >= 3
    assert set(LIGHT) == set(DARK)


# What who sees no red, no green or no blue sees of a colour (Machado, Oliveira and Fernandes 2009).
SEEN = {
    "all": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "no red": ((0.1523, 1.0526, -0.2049), (0.1145, 0.7863, 0.0992), (-0.0039, -0.0481, 1.0520)),
    "no green": ((0.3673, 0.8606, -0.2280), (0.2801, 0.6725, 0.0474), (-0.0118, 0.0429, 0.9689)),
    "no blue": ((1.2555, -0.0767, -0.1788), (-0.0784, 0.9308, 0.1476), (0.0047, 0.6914, 0.3039)),
}


def lab(colour: str, eye: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of a colour as an eye sees it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    r, g, b = (
        min(max(sum(share * part for share, part in zip(row, linear, strict=True)), 0), 1)
        for row in SEEN[eye]
    )
    x, y, z = (
        each ** (1 / 3) if each > 0.008856 else 7.787 * each + 16 / 116
        for each in (
            (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
            0.2126 * r + 0.7152 * g + 0.0722 * b,
            (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.0888,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eye", SEEN)
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_who_is_colour_blind_could_not_tell_two_channels(colours: dict[str, str], eye: str) -> None:
    """Of an orange and a green nothing was left but two browns. A difference of 2 can just be seen."""
    seen = [lab(colours[f"c{number}"], eye) for number in range(6)]
    assert min(dist(one, other) for one, other in combinations(seen, 2)) > 20


def test_time_of_day_drew_all_channels_in_one_colour(tmp_path: Path) -> None:
    """And a channel keeps its colour from chart to chart."""
    rules = f"""policy: {{timezone: UTC}}
rules:
  seen: {rule("web")}
  bought: {rule("mail").replace("view", "buy")}
"""
    events = [
        consents(),
        *(click(f"2026-03-02T1{n}:00:00") for n in range(3)),
        click("2026-03-02T13:00:00", "buy"),
    ]
    text = page(found_of(tmp_path, rules, events))
    figures = re.findall("<figure>.*?</figure>", text)
    said = {re.findall("<figcaption>([^<]*)", each)[0]: each for each in figures}
    (both,) = (each for name, each in said.items() if name == "Messages by hour of the day (UTC)")
    assert re.findall('class="(c[0-9])"', both) == ["c0", "c1", "c0", "c1"]  # the key's, the columns'
    assert re.findall("<bdi>([^<]*)", both) == ["web", "mail"]
    for channel, colour in (("web", "c0"), ("mail", "c1")):
        alone = said[f"Messages by hour of the day (UTC), all of them by {channel}"]
        assert set(re.findall('class="(c[0-9])"', alone)) == {colour}


def test_one_message_was_1_messages_for_1_customers(tmp_path: Path) -> None:
    events = [click("2026-03-02T10:00:00"), click("nothing")]
    text = page(found_of(tmp_path, f"rules:\n  seen: {rule('web')}", events))
    words = " ".join(re.sub("<[^>]*>", " ", text).split())
    assert "1 event of 1 customer, from 2026-03-02 10:00 to 2026-03-02 10:00. " in words
    assert (
        "It matched 1 time. 1 message (100 % of the matches) would have gone to 1 customer, one to each."
        in words
    )
    assert (
        re.findall(r"(?<![\d.,–])1 (?:message|customer|time|event|match|rule|line|record|day)e?s\b", words)
        == []
    )


def test_what_matched_nothing_has_no_section_of_its_own(tmp_path: Path) -> None:
    text = page(shop(tmp_path))
    assert text.count('class="rule"') == 2
    assert '<th scope="row"><bdi>never</bdi></th>' in text


def test_each_guard_is_explained() -> None:
    assert set(WHY) == {*get_args(DecisionReason), "shadow"}


def test_no_example_no_customer_and_no_warning(tmp_path: Path) -> None:
    text = page(shop(tmp_path))
    assert "personal data" in text
    assert "Hello0" in text
    events = [click("2026-03-02T10:00:00", customer="ada@mail.example")]
    bare = page(found_of(tmp_path, f"rules:\n  seen: {rule('web')}", events, examples=0))
    assert "personal data" not in bare
    assert "ada" not in bare


@pytest.mark.parametrize("events", [[], [click("2026-03-02T10:00:00")]])
def test_nothing_and_one_event(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    Page(page(found_of(tmp_path, f"rules:\n  seen: {rule('web', 'goal: {on: buy, within: 1d}')}", events)))


def test_ten_thousand_rules_make_no_page_of_ten_thousand_sections(tmp_path: Path) -> None:
    found = shop(tmp_path)
    found["rules"] |= {f"rule-{number}-{'x' * 60}": found["rules"]["seen"] for number in range(10_000)}
    found["collisions"] *= 1_000
    found["notes"] *= 10_000
    text = page(found)
    assert len(text) < 4_000_000
    assert text.count('class="rule"') == MOST_SECTIONS
    assert "And 9,503 rules more: with fewer matches" in text
    assert "And 950 pairs more" in text
    assert "lines more" in text


@pytest.mark.parametrize("days", [1, 59, 60, 61, 400, 36_500, 700_000])
def test_however_long_the_past_is_a_chart_has_few_columns(days: int) -> None:
    step = step_of(days)
    assert -(-days // step) <= MOST_COLUMNS
    assert days <= MOST_COLUMNS or -(-days // step) > MOST_COLUMNS // 5


def test_a_hundred_years_are_drawn() -> None:
    drawn = columns_of_days({"1970-01-01": {"web": 1}, "2069-12-31": {"mail": 2}}, ["mail", "web"])
    assert drawn is not None
    assert len(re.findall('class="c[0-9]', drawn)) == 2 + 2  # and the key's


def test_many_channels_share_the_last_colour() -> None:
    names = [f"channel-{n}" for n in range(20)]
    drawn = columns_of_days({"2026-03-02": {each: 100 - at for at, each in enumerate(names)}}, names)
    assert drawn is not None
    assert re.findall(r"<td class=\"n\">([\d,]+)", drawn) == [
        "100",
        "99",
        "98",
        "97",
        "96",
        "1,320",
    ]
