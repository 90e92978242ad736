"""The engine, fed by hand: what a worker does with one partition, without Kafka and without time passing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stream.clock import Clock
from stream.engine import PartitionState, process
from stream.rules.model import RuleSet
from stream.structs import Batch, DeadLetter, Decision, Result, Switches, Trigger

from .changes import Change
from .guards import ALL
from .histories import History, Rec
from .model import Model, Outcome

TRIGGER = ("topic", "address", "content", "priority", "appended_at")
ENDLESS = 1_000  # calls that apply or fire one thing each: no history here has so many


@dataclass(frozen=True)
class Portion:
    """One call: how many records of each source are handed in, and how many events it may apply."""

    take: tuple[int, ...]
    limit: int
    drain: bool


@dataclass
class Snapshot:
    """What is durable at a moment: customers' states, where to read on, and how much had been decided.

    `rules`, `changes`: those in force, and those to come.
    """

    states: dict[bytes, bytes]
    positions: dict[str, int]
    decided: int
    rules: RuleSet
    changes: list[Change]


@dataclass
class Player:
    """One partition of a history; what the calls said is added up here."""

    history: History
    decisions: list[Decision] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    condition_errors: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    repeats: int = 0
    result: Result = field(default_factory=Result)
    states: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rules, self.changes = self.history.rules, list(self.history.changes)
        self.order = order_of(self.history) if self.changes else []
        self.state = PartitionState(self.rules)
        if self.history.off:
            self.state.switches = Switches("topic", 1, self.history.off)
        wall = self.history.wall
        self.clock = Clock(wall=lambda: wall, by_event_time=self.history.by_event_time)
        self.waiting = {name: list(records) for name, records in self.history.records.items()}

    def play(self, portions: Iterable[Portion] = ()) -> None:
        """Hand in the records by portions, then all that is left, and apply everything."""
        for portion in portions:
            self.call(portion)
        self.call(Portion(tuple(map(len, self.waiting.values())), 5000, drain=True))

    def play_until_change(self, portions: Iterable[Portion]) -> None:
        """Hand in the records by portions, then all that is left, and stop where the rules change next."""
        coming = iter(portions)
        everything = Portion(tuple(map(len, self.waiting.values())), 5000, drain=False)
        while not self.changes_now:
            self.call(replace(next(coming, everything), drain=False))

    def call(self, portion: Portion) -> None:
        records: dict[str, Sequence[Rec]] = {}
        for name, count in zip(self.waiting, portion.take, strict=True):
            if count and self.waiting[name]:
                records[name], self.waiting[name] = self.waiting[name][:count], self.waiting[name][count:]
        self._process(records, portion.limit)
        calls = 0
        while portion.drain and (self.result.more or self.changes_now):
            self._process({}, portion.limit)
            calls += 1
            assert calls < ENDLESS, "there is always more, and it is never done"

    @property
    def changes_now(self) -> bool:
        return bool(self.changes) and not self.before_change

    @property
    def before_change(self) -> int:
        """How many records are applied before the rules change next."""
        before = self.order[: self.changes[0].after]
        return sum(offset >= self.positions.get(source, 0) for source, offset in before)

    def change_if_due(self) -> None:
        """Go over to other rules, if all is applied that comes before them."""
        while self.changes_now:
            change = self.changes.pop(0)
            self.rules = change.rules
            self.state.adopt(self.rules)
            if change.off is not None:
                self.state.switches = Switches("topic", self.state.switches.position + 1, change.off)

    def _process(self, records: Mapping[str, Sequence[Rec]], limit: int) -> None:
        """One call, which goes no further than to the next change of the rules."""
        self.change_if_due()
        ended = frozenset(each.name for each in self.rules.sources if not self.waiting.get(each.name))
        batch = Batch(self.history.partition, records, ended)
        limit = min(limit, self.before_change) if self.changes else limit
        result = process(batch, self.rules, self.state, self.clock, limit=limit)
        self.decisions += result.decisions
        self.triggers += result.triggers
        self.dead_letters += result.dead_letters
        self.positions.update(result.positions)
        self.events.update(result.events)
        self.errors.update(result.errors)
        self.left_out.update(result.left_out)
        self.condition_errors.update(result.condition_errors)
        self.repeats += result.repeats
        self.result = result

    def durable(self) -> dict[bytes, bytes]:
        """The changelog up to now, compacted."""
        self.states.update(self.state.take_changed())
        return self.states

    def snapshot(self) -> Snapshot:
        return Snapshot(
            dict(self.durable()), dict(self.positions), len(self.decisions), self.rules, list(self.changes)
        )

    def read_from(self, positions: Mapping[str, int]) -> None:
        """Forget what is at hand and read on from these positions."""
        self.positions = dict(positions)
        self.waiting = {
            name: [record for record in records if record.offset >= positions.get(name, 0)]
            for name, records in self.history.records.items()
        }


def expected_of(history: History, guards: Collection[str] = ALL) -> Outcome:
    """What the reference model makes of a history."""
    return model_of(history, guards).run(history.records)


def order_of(history: History) -> list[tuple[str, int]]:
    """Source and offset of the records that count, in their merged order."""
    return model_of(history).order(history.records)


def model_of(history: History, guards: Collection[str] = ALL) -> Model:
    return Model(
        history.rules,
        history.partition,
        history.wall,
        history.by_event_time,
        guards,
        history.changes,
        history.off,
    )


def restart(history: History, snapshot: Snapshot, positions: Mapping[str, int]) -> Player:
    """A new owner of the partition, with what was durable."""
    player = Player(history, states=dict(snapshot.states))
    player.rules, player.changes = snapshot.rules, list(snapshot.changes)
    player.state = PartitionState(player.rules)
    for key, value in snapshot.states.items():
        player.state.load(key, value)
    player.state.customers.rebuild_timers()
    player.read_from(positions)
    return player


def without_ids(decisions: Iterable[Decision]) -> list[Decision]:
    return [decision._replace(trigger_id="") for decision in decisions]


def assert_same(expected: Outcome, player: Player) -> None:
    """The engine says what the model says, in everything that the contract settles."""
    assert without_ids(player.decisions) == without_ids(expected.decisions)
    assert_ids_stand_for_causes(expected.decisions, player.decisions)
    assert player.positions == expected.positions
    assert +player.events == +expected.events
    assert player.left_out == expected.left_out
    assert player.repeats == 0
    assert bad_records(player.dead_letters) == bad_records(expected.dead_letters)
    assert player.result.watermark == expected.watermark
    assert player.result.next_deadline == expected.next_deadline
    assert player.state.customers.timers == expected.timers
    assert [trigger.decision for trigger in player.triggers] == [
        decision for decision in player.decisions if decision.outcome == "sent"
    ]
    assert list(map(parts_of, player.triggers)) == [
        {name: getattr(each, name) for name in (*TRIGGER, "consent", "sensitive")}
        for each in expected.triggers
    ]
    for source in player.history.records:
        assert player.errors[source, "future_time"] == expected.future_times[source]
        for oddity in ("unknown_consent", "timezone"):
            assert player.errors[source, oddity] == expected.oddities[source, oddity]
        failed = expected.condition_errors[source]
        assert failed <= player.errors[source, "condition"] <= failed + expected.possible_errors[source]
    assert_failures(expected.failures, player.condition_errors)


def assert_failures(
    expected: Counter[tuple[str, str, str | None]], errors: Counter[tuple[str, str, str, str]]
) -> None:
    """Of each `if` that came to no boolean, and of each trait that could not take what it takes, the engine
    says why as the model does, where that can tell.
    """
    counted: Counter[tuple[str, str, str]] = Counter()
    for (definition, part, reason, _), count in errors.items():
        counted[definition, part, reason] += count
    judged = {each[:2] for each in counted if each[1] in ("if", "field", "value", "per", "key")}
    for name, part in judged | {each[:2] for each in expected}:
        by_reason = {reason: counted[name, part, reason] for reason in ("missing", "value")}
        assert sum(by_reason.values()) == sum(
            expected[name, part, why] for why in ("missing", "value", None)
        ), (name, part)
        for reason, count in by_reason.items():
            told = expected[name, part, reason]
            assert told <= count <= told + expected[name, part, None], (name, part, reason)


def parts_of(trigger: Trigger) -> dict[str, Any]:
    return {
        **{name: getattr(trigger, name) for name in TRIGGER},
        "consent": trigger.consent and trigger.consent._asdict(),
        "sensitive": [
            {"subject": each.subject, "consent": each.consent._asdict()} for each in trigger.sensitive
        ],
    }


def assert_ids_stand_for_causes(expected: Sequence[Decision], decisions: Sequence[Decision]) -> None:
    """Same rule, customer and cause, same id; anything else, another id."""
    pairs = {(a.trigger_id, b.trigger_id) for a, b in zip(expected, decisions, strict=True)}
    assert len({cause for cause, _ in pairs}) == len(pairs) == len({given for _, given in pairs})


def bad_records(letters: Iterable[DeadLetter]) -> list[tuple[str, int, str]]:
    return sorted((letter.source, letter.record.offset, letter.reason) for letter in letters)
