"""The tools in loadtest/micro: what they play is what they say."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from loadtest.micro import backtest, clocks, flame, memory, suite
from loadtest.micro.engine import SETS, compile_rules
from stream.expression import parse
from stream.matcher._condition import Names, compile_condition


def test_four_of_a_thousand_expressions_are_true() -> None:
    nodes = [compile_condition(parse(each), Names()) for each in suite.expressions()]
    events = [orjson.loads(value) for _, _, _, value, _ in suite.bids(500)]
    true = sum(node.evaluate(event) is True for event in events for node in nodes)
    assert true / len(nodes) / len(events) == pytest.approx(0.004, abs=0.001)


def test_the_strangers_fit_no_event() -> None:
    rules = compile_rules(SETS["ref500+1500"])
    assert len(rules.rules) == 2000
    strange = [each for each in map(str, rules.predicates) if "strange-" in each]
    assert len(rules.predicates) - len(strange) == len(compile_rules(SETS["ref500"]).predicates)


def test_a_backtest_is_measured_with_rules_that_fire_and_with_the_same_that_do_not(tmp_path: Path) -> None:
    backtest.write(tmp_path / "events.jsonl", 30_000, packed=True)
    runs = []
    for name in ("ref300", "quiet"):
        (tmp_path / name).mkdir()
        for file, text in backtest.SETS[name].items():
            (tmp_path / name / file).write_text(text)
        runs.append(backtest.run(tmp_path / name, tmp_path / "events.jsonl"))
    assert runs[0].decided > 100
    assert runs[1].decided < runs[0].decided / 50
    assert min(each.seconds for each in runs) > 0


def test_memory_is_measured_after_a_tenth_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter((100, 104))
    steps: list[int] = []
    monkeypatch.setattr(memory, "resident", lambda: next(sizes))
    growth = memory.measure(20, lambda: steps.append(1), lambda _: None)
    assert len(steps) == 20
    assert growth == memory.Growth(100, 104)
    assert growth.share == pytest.approx(0.04)


def test_a_player_goes_on_over_reloads_with_the_same_customers() -> None:
    player = memory.Player(memory.values(3000))
    player.play(4000)
    before = player.customers
    player.reload()
    player.reload()
    player.play(8000)
    assert player.customers == before > 1000


SAMPLES = """\
python 100
        7f01 __pyx_f_6stream_10_fastmatch_14PartitionState_match+0x10
        7f02 __pyx_f_6stream_10_fastmatch_14PartitionState_apply
        7f03 __pyx_pw_6stream_10_fastmatch_14PartitionState_11run
        7f04 _PyEval_EvalFrameDefault

python 100
        7f01 asm_exc_page_fault
        7f01 realloc
        7f02 __pyx_f_6stream_10_fastmatch_14PartitionState_apply
        7f03 __pyx_pw_6stream_10_fastmatch_14PartitionState_11run

python 100
        7f04 _PyEval_EvalFrameDefault
"""


def test_samples_are_folded_to_the_engines_functions() -> None:
    root = flame.fold(SAMPLES.splitlines())
    assert (root.samples, sorted(root.callees)) == (3, ["PartitionState.run", "outside of the engine"])
    apply = root.callees["PartitionState.run"].callees["PartitionState.apply"]
    assert (apply.samples, sorted(apply.callees)) == (2, ["PartitionState.match", "realloc"])


def test_the_picture_is_svg_that_names_functions_and_shares(tmp_path: Path) -> None:
    picture = flame.draw(flame.fold(SAMPLES.splitlines()))
    assert picture.startswith("<svg xmlns=")
    assert "<title>PartitionState.apply 66.7%</title>" in picture


def test_each_customer_gets_the_clock_of_a_new_rule_and_is_told_once() -> None:
    sets, fired = clocks.measure(3000, 20)
    assert (sets.told, fired.told) == (0, 3000)
    assert sets.waited == fired.waited == 1
