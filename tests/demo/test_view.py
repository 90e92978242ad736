"""The demo's screen: what it shows at which size, and when it draws."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from stream.demo.view import DemoView, next_steps, picture, status_line, summary

CHANNELS = ("email", "web", "push", "call_center", "direct_mail")
RULES = {f"rule-number-{n}": CHANNELS[n % 5 : n % 5 + 1] for n in range(13)}


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def trigger(rule: str = "cart-left-behind", channel: str = "email", **changes: Any) -> dict[str, Any]:
    return {
        "rule": rule,
        "channel": channel,
        "customer_id": "user_0007",
        "at": "2024-05-10T14:22:05.000Z",
        "content": {"subject": "Your cart [bold]waits[/bold]", "body": "Free delivery " + "and more " * 30},
    } | changes


def decision(rule: str, outcome: str = "suppressed", reason: str | None = "limit") -> dict[str, Any]:
    return {"rule": rule, "outcome": outcome, "reason": reason}


def text_of(renderable: RenderableType, width: int = 100) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def quiet_view(clock: FakeClock | None = None, rules: dict[str, tuple[str, ...]] | None = None) -> DemoView:
    return DemoView(Console(file=io.StringIO(), width=100), rules=rules, now=clock or FakeClock())


def busy_view() -> DemoView:
    """Thirteen rules that sent thousands, the most that the demo shows."""
    view = quiet_view(rules=RULES)
    view.model.stage = "Playing 18 months"
    view.on_played(100_765, 100_765)
    view.on_progress(45_678, 100_765, 31_234.5)
    for rule, (channel,) in RULES.items():
        for _ in range(1_234):
            view.on_trigger(trigger(rule, channel))
        view.on_decision(decision(rule))
        view.on_decision(decision(rule, reason="content"))
    return view


def row_of(text: str, word: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(word)).split()


def test_triggers_are_counted_by_rule_and_by_channel() -> None:
    view = quiet_view()
    for rule, channel, times in (("thanks", "email", 3), ("cart", "email", 2), ("help", "web", 1)):
        for _ in range(times):
            view.on_trigger(trigger(rule, channel))
    text = text_of(summary(view.model))
    assert row_of(text, "thanks") == ["thanks", "email", "3"]
    assert row_of(text, "help") == ["help", "web", "1"]
    assert "email 5 · web 1" in text
    assert row_of(text, "Triggers") == ["Triggers", "6", "by", "3", "rules"]


def test_what_was_held_back_stands_with_its_reason() -> None:
    view = quiet_view(rules={"cart": ("email",)})
    for _ in range(4):
        view.on_decision(decision("cart"))
    view.on_decision(decision("cart", reason="content"))
    view.on_decision(decision("cart", outcome="holdout", reason=None))
    view.on_decision(decision("cart", outcome="sent", reason=None))
    text = text_of(summary(view.model))
    assert row_of(text, "cart") == ["cart", "email", "0", "limit", "4,", "content", "1,", "holdout", "1"]
    assert row_of(text, "Held back") == ["Held", "back", "4", "reason:", "limit"]


def test_a_rule_of_several_channels_has_one_line_with_their_sum() -> None:
    view = quiet_view(rules={"cart": ("push", "email")})
    for channel, times in (("push", 3), ("email", 2)):
        for _ in range(times):
            view.on_trigger(trigger("cart", channel))
    text = text_of(summary(view.model))
    assert row_of(text, "cart") == ["cart", "push,", "email", "5"]
    assert "push 3 · email 2" in text


def test_what_quiet_hours_put_off_is_not_held_back() -> None:
    view = quiet_view(rules={"cart": ("email",)})
    view.on_decision(decision("cart", outcome="deferred", reason="quiet"))
    view.on_decision(decision("cart", reason="quiet"))
    text = text_of(summary(view.model))
    assert row_of(text, "cart") == ["cart", "email", "0", "quiet", "1"]
    assert row_of(text, "Put off") == ["Put", "off", "1", "to", "the", "end", "of", "quiet", "hours"]


def test_rules_that_do_not_fit_the_screen_are_in_the_summary() -> None:
    view = quiet_view(rules={f"rule-{n:02}": ("web",) for n in range(30)})
    view.on_trigger(trigger("rule-00", "web"))
    lines = text_of(picture(view.model, 80, 24), 80).rstrip("\n").splitlines()
    assert len(lines) < 24
    assert any(line.startswith("rule-00") for line in lines)
    assert row_of(text_of(summary(view.model), 80), "rule-29")[-1] == "0"


def test_every_reason_stands_in_the_summary_at_eighty_columns() -> None:
    view = quiet_view(rules={"browsing-without-buying": ("direct_mail",)})
    reasons = ("limit", "suppressed", "consent", "address", "quiet", "group", "cap", "holdout")
    for reason in reasons:
        view.on_decision(decision("browsing-without-buying", reason=reason))
    text = text_of(summary(view.model), 80)
    table = " ".join(text.partition("Rule ")[2].split())
    assert all(f"{reason} 1" in table for reason in reasons)


def test_a_rule_that_never_fired_is_shown_with_zero() -> None:
    assert (
        row_of(text_of(picture(quiet_view(rules={"silent": ("push",)}).model, 100, 40)), "silent")[-1] == "0"
    )


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("height", [24, 30, 50])
def test_picture_fits_the_screen(width: int, height: int) -> None:
    lines = text_of(picture(busy_view().model, width, height), width).rstrip("\n").splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert sum("rule-number-12" in line for line in lines) == 2  # in the table, and as the newest
    assert any("call_center 2,468" in line for line in lines)


def test_tables_are_not_cut_at_eighty_columns() -> None:
    for renderable in (summary(busy_view().model), next_steps("127.0.0.1:9464", "rules")):
        text = text_of(renderable, 80)
        assert "…" not in text
        assert max(len(line) for line in text.splitlines()) <= 80


def test_newest_trigger_of_each_rule_stands_first() -> None:
    view = quiet_view()
    for rule in ("first", "second", "first"):
        view.on_trigger(trigger(rule))
    text = text_of(picture(view.model, 100, 40)).partition("Newest")[2]
    assert text.index("first →") < text.index("second →")
    assert text.count("first →") == 1


def test_content_is_shown_as_it_is() -> None:
    view = quiet_view()
    view.on_trigger(trigger())
    text = text_of(picture(view.model, 100, 40))
    assert "Your cart [bold]waits[/bold] · Free delivery" in text
    assert "2024-05-10 14:22  cart-left-behind → email  user_0007" in text


def test_rate_is_over_the_time_in_which_events_moved() -> None:
    clock = FakeClock()
    view = quiet_view(clock)
    for done in (0, 0, 500, 1_000, 1_000):  # it starts late, and ends before the last call
        view.on_progress(done, 1_000, 250.0)
        clock.now += 2.0
    assert view.model.overall_rate == 250.0
    assert row_of(text_of(summary(view.model)), "Events ") == ["Events", "1,000", "in", "4.0", "s"]


def test_rate_leaves_out_what_was_done_before_the_first_look() -> None:
    clock = FakeClock()
    view = quiet_view(clock)
    for done in (400, 1_000):
        view.on_progress(done, 1_000, 0.0)
        clock.now += 2.0
    assert view.model.overall_rate == 300.0


def test_without_a_terminal_there_is_a_line_every_two_seconds() -> None:
    clock, out = FakeClock(), io.StringIO()
    with DemoView(Console(file=out, width=80), now=clock) as view:
        view.on_stage("Starting Apache Kafka")
        for second in range(5):
            view.on_progress(second * 100, 1_000, 100.0)
            view.on_trigger(trigger())
            clock.now += 1.0
        view.on_progress(500, 1_000, 100.0)
    lines = out.getvalue().splitlines()
    assert lines[0] == "Starting Apache Kafka"
    assert [line.split(" of ")[0] for line in lines[1:]] == ["0", "200", "400"]
    assert (
        "200 of 1,000 events, 100/s, 2 triggers; the newest: cart-left-behind → email: Your cart"
        in out.getvalue()
    )
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_it_draws_at_most_eight_times_a_second() -> None:
    clock, out = FakeClock(), io.StringIO()
    console = Console(
        file=out, width=80, height=40, force_terminal=True, force_interactive=True, legacy_windows=False
    )
    with DemoView(console, now=clock) as view:
        for _ in range(1_000):
            clock.now += 0.001
            view.on_progress(1, 1_000, 1.0)
        drawn = out.getvalue().count("Played into Kafka")
    assert 7 <= drawn <= 9


def test_the_cursor_comes_back_after_an_error() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=40, force_terminal=True, legacy_windows=False)
    with pytest.raises(RuntimeError), DemoView(console):
        raise RuntimeError
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


def test_summary_says_what_was_done_to_the_data() -> None:
    text = " ".join(text_of(summary(quiet_view().model)).split())
    assert "moved by 9,496 days" in text
    assert "no customer in common" in text


def test_finish_prints_the_summary_and_commands_for_this_run() -> None:
    out = io.StringIO()
    with DemoView(Console(file=out, width=80)) as view:
        view.finish(metrics="127.0.0.1:1234", rules="my/rules")
    text = out.getvalue()
    assert "What came of it" in text
    assert "\n     stream check my/rules\n" in text
    assert "curl -s http://127.0.0.1:1234/metrics" in text


def test_status_line_before_the_first_event_tells_of_playing() -> None:
    view = quiet_view()
    view.on_played(500, 1_000)
    assert status_line(view.model).plain == "500 of 1,000 events played into Kafka"
