"""`make bench` without Kafka: the table is whole, and results say what was measured and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.cases import __main__ as command
from loadtest.cases.alone import MEASURES
from loadtest.cases.cluster import Side
from loadtest.cases.other import checkout
from loadtest.cases.results import NOW, Results, Round, Said, differences, verdict
from loadtest.cases.table import CASES, FIGURES, TARGETS, Bound, Regime, Target
from loadtest.cases.worlds import rule_files
from loadtest.micro.engine import compile_rules
from stream.errors import SettingsError

GOOD = Round("wide", NOW, 1, 1.0, "2026-11-30T10:00:00+00:00", 0.4, 20.0, {"cpu_s_per_100k": 0.5})
AT_MOST = Target("CPU", "wide", "cpu_s_per_100k", Bound.AT_MOST, 0.5, "here")


def rounds(*values: float, **changed: object) -> list[Round]:
    return [
        replace(GOOD, number=number, figures={"cpu_s_per_100k": value}, **changed)
        for number, value in enumerate(values, 1)
    ]


def results(*done: Round) -> Results:
    return Results(Path("none.json"), {"commit": "c0ffee"}, done)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.says)
def test_each_target_is_about_a_figure_that_its_case_gives(target: Target) -> None:
    assert target.figure in FIGURES[CASES[target.case].regime]
    assert not target.of_case or target.figure in FIGURES[CASES[target.of_case].regime]


def test_every_goal_has_a_target() -> None:
    """By case and figure; two of them are held against a peer as well as against a number."""
    assert {(target.case, target.figure) for target in TARGETS} == {
        ("wide", "cpu_s_per_100k"),
        ("wide", "events_per_second"),
        ("few", "cpu_s_per_100k"),
        ("noop", "cpu_s_per_100k"),
        ("fire", "us"),
        ("fire-text", "us"),
        ("wide-ref500", "cpu_s_per_100k"),
        ("dense", "cpu_s_per_100k"),
        ("dense", "events_per_second"),
        ("engine-2000", "us_over_base"),
        ("engine", "us"),
        ("keep-2000", "cpu_s_per_100k"),
        ("matcher", "us"),
        *((f"keep-{rate}", figure) for rate in (2000, 20000) for figure in ("p50_by_echo", "p99_by_echo")),
        *((f"keep-{rate}", "engine_p99_ms") for rate in (2000, 20000)),
        ("keep-2000", "p50_ms"),
        ("keep-2000", "p99_ms"),
        ("state", "bytes"),
        ("state", "resident_mib"),
        ("restore", "customers_per_second"),
        ("restore-rocksdb", "customers_per_second"),
        *((f"burst-{what}", "p99_ratio") for what in ("timers", "rules", "hot")),
    }
    against = {(target.case, target.of_side) for target in TARGETS if target.of_side}
    assert against == {
        *((case, "flink") for case in ("wide", "few", "dense")),
        ("keep-2000", "kafka-streams"),
    }


def test_each_case_can_be_measured() -> None:
    for case in CASES.values():
        match case.regime:
            case Regime.CATCH_UP:
                assert bool(case.events) != (case.world == "many")
            case Regime.KEEP_UP | Regime.BURST:
                assert case.rate * case.seconds
            case Regime.ALONE:
                assert case.name in MEASURES
            case _:
                assert case.customers
        assert case.customers or case.world not in {"many", "timers"}


@pytest.mark.parametrize("name", sorted({case.rules for case in CASES.values()} - {"ref500+9500"}))
def test_the_rule_sets_of_the_cases_compile(name: str) -> None:
    assert compile_rules(rule_files(name)).rules


def test_ten_thousand_rules_are_ten_thousand() -> None:
    """They had been more than a file may have, and the worker did not start."""
    assert len(compile_rules(rule_files("ref500+9500")).rules) == 10_000


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (rounds(0.4, 0.4, 0.6), Said.MET),
        (rounds(0.4, 0.6, 0.6), Said.MISSED),
        (rounds(0.4, 0.4), Said.SMALL),
        (rounds(0.4, 0.4, 0.4, scale=0.1), Said.SMALL),
        (rounds(0.6, 0.6, 0.6, scale=0.1), Said.MISSED),
        (rounds(0.4, 0.4, 0.4, problems=["2 dead letters"]), Said.MISSED),
        ([replace(GOOD, figures={}, problems=["fell over: it ended"])], Said.MISSED),
        (rounds(0.4, side="main"), Said.UNKNOWN),
        ([], Said.UNKNOWN),
    ],
)
def test_a_miss_is_never_hidden(done: list[Round], said: Said) -> None:
    assert verdict(AT_MOST, results(*done)).said is said


def test_what_more_is_better_of_has_to_be_at_least_its_target() -> None:
    target = replace(AT_MOST, bound=Bound.AT_LEAST)
    assert verdict(target, results(*rounds(0.6, 0.6, 0.6))).said is Said.MET
    assert verdict(target, results(*rounds(0.4, 0.4, 0.6))).said is Said.MISSED


def test_a_target_by_another_case_or_side_needs_that_one_measured() -> None:
    over = replace(AT_MOST, case="wide-ref500", value=1.15, of_case="wide")
    more = [replace(each, case="wide-ref500") for each in rounds(0.46, 0.46, 0.46)]
    assert verdict(over, results(*more)).said is Said.UNKNOWN
    assert verdict(over, results(*more, *rounds(0.41, 0.41, 0.41))).said is Said.MET
    assert verdict(over, results(*more, *rounds(0.39, 0.39, 0.39))).said is Said.MISSED
    peer = replace(AT_MOST, value=1, of_side="flink")
    assert verdict(peer, results(*rounds(0.5, 0.5, 0.5))).said is Said.UNKNOWN
    assert verdict(peer, results(*rounds(0.5, 0.5, 0.5), *rounds(0.6, side="flink"))).said is Said.MET


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio", "said"),
    [
        ((0.8, 0.9, 0.8), (1.0, 1.0, 1.0), 0.8, "better"),
        ((1.2, 1.1, 1.2), (1.0, 1.0, 1.0), 1.2, "worse"),
        ((0.8, 1.1, 0.8), (1.0, 1.0, 1.0), 0.8, "no difference that can be told"),
        ((0.995,) * 3, (1.0,) * 3, 0.995, "no difference that can be told"),
        ((0.8,), (1.0,), 0.8, "1 of three rounds: too few to tell"),
    ],
)
def test_sides_are_compared_round_by_round(
    ours: tuple[float, ...], theirs: tuple[float, ...], ratio: float, said: str
) -> None:
    (found,) = differences(results(*rounds(*ours), *rounds(*theirs, side="main")), "main")
    assert (found.ratio, found.said) == (pytest.approx(ratio), said)
    assert found.least == pytest.approx(min(a / b for a, b in zip(ours, theirs, strict=True)))


def test_latency_on_a_machine_that_is_too_busy_to_send_in_time_meets_nothing() -> None:
    target = Target("p99", "keep-2000", "p99_by_echo", Bound.AT_MOST, 1.5, "here")
    calm = [
        replace(GOOD, case="keep-2000", number=at, figures={"p99_by_echo": 1.2, "late_p99_ms": 2})
        for at in (1, 2, 3)
    ]
    assert verdict(target, results(*calm)).said is Said.MET
    busy = [replace(each, figures={**each.figures, "late_p99_ms": 6_000}) for each in calm]
    assert verdict(target, results(*busy)).said is Said.UNKNOWN
    missed = [replace(each, figures={**each.figures, "p99_by_echo": 1.6}) for each in busy]
    assert verdict(target, results(*missed)).said is Said.MISSED


def test_what_was_measured_at_a_larger_size_stands_for_the_case() -> None:
    found = results(*rounds(0.9, 0.9, scale=0.1), *rounds(0.4, 0.4, 0.4))
    assert [each.scale for each in found.of("wide")] == [1, 1, 1]
    assert verdict(AT_MOST, found).said is Said.MET
    assert list(differences(results(*rounds(0.4), *rounds(0.5, scale=0.1, side="main")), "main")) == []


def test_rounds_without_their_like_are_not_compared() -> None:
    assert list(differences(results(*rounds(0.5), replace(GOOD, side="main", number=2)), "main")) == []


def test_an_interrupted_run_goes_on_and_does_again_what_fell_over(tmp_path: Path) -> None:
    first = Results(tmp_path / "deep" / "results.json", {"commit": "c0ffee"})
    first.add(GOOD)
    first.add(replace(GOOD, number=2, figures={}, problems=["fell over"]))
    again = Results.read(first.path)
    assert [(each.number, each.figures, [*each.problems]) for each in again.rounds] == [
        (1, GOOD.figures, []),
        (2, {}, ["fell over"]),
    ]
    assert again.has("wide", NOW, 1, 1.0)
    assert not again.has("wide", NOW, 1, 0.1)
    assert not again.has("wide", NOW, 2, 1.0)
    assert not again.has("wide", "main", 1, 1.0)


def test_results_of_another_commit_are_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    Results(file, {"commit": "c0ffee", "sides": {}}).write()
    here = [Side(NOW, str(Path(__file__).parents[2]))]
    with pytest.raises(SettingsError, match="is of c0ffee"):
        command.opened(file, 1.0, here, anew=False)
    assert command.opened(file, 1.0, here, anew=True).rounds == []


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": 0}', '{"format": 1, "about": {}, "rounds": [{"a": 1}]}']
)
def test_a_file_that_holds_no_results_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(SettingsError, match=r"results\.json"):
        Results.read(tmp_path / "results.json")


def test_a_revision_that_is_not_there_is_said() -> None:
    with pytest.raises(SettingsError, match="no-such-revision"):
        checkout("no-such-revision")


def test_sides_and_cases_take_turns_in_rounds() -> None:
    cases, sides = command.chosen("wide,noop"), [Side(NOW, "."), Side("main", "other")]
    turns = [(number, case.name, side.name) for number, case, side in command.in_turns(cases, sides, 2)]
    assert turns == [
        *((1, "noop", NOW), (1, "noop", "main"), (1, "wide", NOW), (1, "wide", "main")),
        *((2, "noop", "main"), (2, "noop", NOW), (2, "wide", "main"), (2, "wide", NOW)),
    ]


def test_cases_are_chosen_by_name_or_regime() -> None:
    assert {case.regime for case in command.chosen("burst")} == {Regime.BURST}
    assert len(command.chosen("all")) == len(CASES)
    with pytest.raises(SettingsError, match="no case wyde"):
        command.chosen("wyde,noop")


def test_what_is_left_is_told_by_what_the_same_cases_took() -> None:
    turns = [(2, CASES["wide"], Side(NOW, ".")), (2, CASES["noop"], Side(NOW, "."))]
    done = results(replace(GOOD, took=600.0))
    assert command.remaining(turns, done, spent=660, done=11) == "about 11 min left"
    assert command.remaining(turns, done, spent=0, done=0) == "no telling yet how long"
