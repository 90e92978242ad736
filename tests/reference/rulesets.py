"""Random rule sets, read from dice: small, and full of conditions that now hold and now do not.

Conditions are written as text and parsed, as a rule file's are. All times are multiples of a world's scale,
and the same few numbers are used for windows, waits and the time between events: borders are hit often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import TypeVar

from hypothesis import strategies as st

from stream import expression
from stream.content.template import Template
from stream.expression import Node, unparse
from stream.rules.aggregates import TraitFunction
from stream.rules.compiler.identity import rule_id, trait_id
from stream.rules.durations import CALENDARS
from stream.rules.model import (
    WHOLE,
    Channel,
    Exemption,
    FieldPath,
    Goal,
    Limit,
    Occasion,
    Policy,
    Quiet,
    Rule,
    RuleSet,
    Segment,
    Source,
    Step,
    Subject,
    Trait,
    Unless,
    Variant,
)

T = TypeVar("T")

parse = lru_cache(5_000)(expression.parse)  # many worlds share their plain conditions
NAMES = ("add", "buy", "view")
DURATIONS = (30, 60, 61, 119, 600)
WAITS = (1, 2, 5, 10, 30, 61)


class Dice:
    """Choices read from bytes, one each; after the last byte every choice is the first of its pool."""

    def __init__(self, faces: bytes) -> None:
        self._faces = iter(faces)

    def number(self) -> int:
        return next(self._faces, 0)

    def pick(self, pool: Sequence[T]) -> T:
        return pool[self.number() % len(pool)]

    def chance(self, one_in: int) -> bool:
        return self.number() % one_in == one_in - 1

    def some(self, pool: Sequence[str]) -> tuple[str, ...]:
        """One or two of the pool, sorted, as the names of a list are when a rule file has been read."""
        first, second = self.pick(pool), self.pick(pool)
        return (first,) if first == second or self.chance(2) else tuple(sorted((first, second)))


@cache  # a strategy costs more to make than to draw from
def strings(size: int, least: int, most: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.binary(min_size=size, max_size=size), min_size=least, max_size=most)


# -- conditions, as texts

Atom = Callable[[Dice], str]
EQUALITIES = ("==", "!=")
COMPARISONS = (">=", "<", "<=", ">", *EQUALITIES)
PLACES = ("event.category", "event.props.k", "event['category']")
NUMBERS = ("1", "2", "1.5", "0", "9007199254740992.0", "'a'")
TEXTS = ("'add'", "'buy'")
FLAG_RELATIONS = ("==", "<")
FLAG_LIKES = ("event.flag", "event.category", "true")
CONSTANTS = ("'a'", "1", "1.0", "true", "null", "'b'")
KEYS = ("event.category", "event.category", "event.props.k", "'a'", "1", "true")
# What takes more than a comparison: absence, arithmetic, texts, lists, times. Most hold every other time.
EVENT_TESTS = (
    "has(event.price)",
    "has(event.props.k) && event.props.k != 1",
    "(has(event.amount) ? event.amount : 0) >= 1",
    "event.flag ? event.price > 1 : event.amount > 1",
    "event.price + event.amount > 3",
    "event.price * 2 >= 4",
    "event.amount / 2.0 <= 1.25",
    "event.price % 2 == 0",
    "-event.price < -1",
    "event.price - 1 == 0",
    "event.category in ['a', 1, true]",
    "!(event.category in ['b', 1.0])",
    "'k' in event.props",
    "'a' in event.category",
    "size(event.category) == 1",
    "event.category.startsWith('a') || event.category.endsWith('b')",
    "event.category.contains('a')",
    "event.category.matches('^[ab]$')",
    "double(event.price) == 1.0",
    "event.category + 'b' == 'ab'",
    "event_name in ['add', 'view']",
    "event_time >= timestamp('2026-03-02T10:00:00Z') + duration('30s')",
    "event_time.getSeconds() < 30",
)
NOW_TESTS = (
    "now >= timestamp('2026-03-02T10:00:30Z')",
    "now < timestamp('2026-03-02T10:00:00Z') + duration('61s')",
    "now.getSeconds() % 2 == 0",
)
LAG_TESTS = ("now - event_time < duration('5s')", "now > event_time", "now == event_time")
CUSTOMER_TESTS = (
    "customer.tier == 'gold'",
    "customer.tier != 'gold'",
    "has(customer.tier)",
    "!has(customer.name)",
    "customer.age >= 18",
    "(has(customer.age) ? customer.age : 0) < 18",
    "customer.name.startsWith('A')",
    "customer.tier in ['gold', 'silver']",
    "context.weather.temperature > 10",
    "has(context.weather) && !has(context.weather.rain)",
    "(has(context.weather.rain) ? context.weather.rain : false)",
    "context.weather.place.city in ['Rome']",
)


def event_atom(dice: Dice) -> str:
    """A condition on the event alone."""
    match dice.number() % 9:
        case 0:
            return f"event.price {dice.pick(COMPARISONS)} {dice.pick(NUMBERS)}"
        case 1:
            return f"{dice.pick(PLACES)} {dice.pick(EQUALITIES)} {dice.pick(CONSTANTS)}"
        case 2:
            return f"event.price {dice.pick(COMPARISONS)} event.amount"
        case 3:
            return f"event_name {dice.pick(EQUALITIES)} {dice.pick(TEXTS)}"
        case 4:
            return (
                f"event.flag {dice.pick(('==', '<'))} {dice.pick(('event.flag', 'event.category', 'true'))}"
            )
        case 5:
            return "event.flag"
        case 6:
            return f"event.amount {dice.pick(COMPARISONS)} {dice.pick((0, 0.25, 1, 2.5, 10))}"
    return dice.pick(EVENT_TESTS)


def captured_atom(names: Sequence[str]) -> Atom:
    """A condition that compares an event with that of an earlier step."""

    def atom(dice: Dice) -> str:
        name = dice.pick(names)
        match dice.number() % 5:
            case 0 | 1:
                return f"event.category {dice.pick(EQUALITIES)} {name}.category"
            case 2:
                return f"event.price {dice.pick(COMPARISONS)} {name}.price"
            case 3:
                return f"has({name}.flag) && {name}.props.k {dice.pick(EQUALITIES)} event.props.k"
        return f"{name}.amount + event.amount {dice.pick(COMPARISONS)} 2"

    return atom


def trait_atom(dice: Dice, traits: Sequence[Trait], scale: int, *, keys: Sequence[str] = KEYS) -> str:
    """A condition on a trait, mostly one that holds after a few events."""
    trait = dice.pick(traits)
    value = f"traits.{trait.name}" + (f"[{dice.pick(keys)}]" if trait.per else "")
    comparison = dice.pick((">=", ">=", *COMPARISONS))
    match trait.function:
        case "first" | "last":
            if dice.chance(4):
                return f"has(traits.{trait.name}{'.a' if trait.per else ''})"
            return f"{value} {dice.pick(('==', '!=', '<'))} {dice.pick((keys[0], *CONSTANTS))}"
        case "top":
            tests = ("'a' in {}", "size({}) >= 2", "{}[0] == 'a'", "{0}[size({0}) - 1] == 1")
            return dice.pick(tests).format(value)
        case "list":
            return dice.pick(LIST_TESTS).format(value)
        case "gap":
            if dice.chance(3):  # at the very border: one division, whose result has no rounding to differ in
                return f"{value}.since {comparison} {dice.pick(WAITS) * scale / 1000!r}"
            # Thresholds that no quotient meets, so that how the sums are rounded does not matter.
            figure, least = dice.pick(("mean", "deviation")), dice.pick((0.77, 3.77, 17.77))
            return f"{value}.{figure} > {least * scale / 1000!r}"
        case "mean":
            return f"{value} > {dice.pick((1.07, 0.07, 4.07))}"
    return f"{value} {comparison} {dice.pick((1, 1, 1, 2, 0, 2.5, 3))}"


def condition(dice: Dice, atom: Atom, depth: int = 0) -> str:
    """A condition over some atoms, two operators deep at most."""
    shape = dice.pick(("", "", "", "", "!", "&&", "||", "?")) if depth < 2 else ""
    if shape == "":
        return atom(dice)
    operands = [condition(dice, atom, depth + 1) for _ in range({"!": 1, "?": 3}.get(shape, 2))]
    if shape == "!":
        return f"!({operands[0]})"
    if shape == "?":
        return f"(({operands[0]}) ? ({operands[1]}) : ({operands[2]}))"
    return f"({operands[0]}) {shape} ({operands[1]})"


# -- definitions

FUNCTIONS: tuple[tuple[TraitFunction, FieldPath | None], ...] = (
    ("count", None),
    ("sum", ("amount",)),
    ("last", ("category",)),
    ("last", ("price",)),
    ("count", None),
    ("sum", ("props", "k")),
    ("mean", ("amount",)),
    ("min", ("amount",)),
    ("max", ("price",)),
    ("first", ("category",)),
    ("first", ("price",)),
    ("distinct", ("category",)),
    ("distinct", ("props", "k")),
    ("top", ("category",)),
    ("gap", None),
    ("list", None),
    ("list", None),
)
ELEMENTS: tuple[tuple[FieldPath, ...], ...] = (
    (("category",), ("amount",)),
    (("amount",), ("price",), ("props", "k")),
    (("props",), ("category",)),
)
LIST_TESTS = (
    "size({}) >= 2",
    "size({}) == 0",
    "{}.exists(i, i.amount > 1)",
    "sum({}.map(i, has(i.amount) ? i.amount : 0)) > 2.5",
    "{}[0].category == 'a'",
    "{0}[size({0}) - 1].category == 'a'",
    "has({}[1].price)",
    "{}.all(i, i.category in ['a', 'b'])",
)
VALUES: tuple[tuple[TraitFunction, str], ...] = (  # what functions take, worked out
    ("sum", "double(event.amount)"),
    ("sum", "event.flag ? event.amount : 0"),
    ("mean", "event.amount * 2"),
    ("max", "event.price"),
    ("min", "double(event.price) / double(event.amount)"),
    ("first", "event.price + 1"),
    ("last", "event_name"),
    ("last", "event"),
    ("distinct", "event.category"),
    ("distinct", "event.price"),
    ("top", "event.props.k"),
)
# The worlds start on a Monday at 10:00 UTC, 11:00 in Berlin, 15:30 in Kolkata. In Honolulu it is midnight, on
# the Chatham Islands a quarter of an hour before.
ZONES = (None, "UTC", "UTC", "Europe/Berlin", "Asia/Kolkata", "Pacific/Honolulu", "Pacific/Chatham")
PURPOSES = ("mail", "phone", "baby_news", "illness")
SUBJECTS = (Subject("baby", "baby_news", events=("view",)), Subject("illness", "illness", events=("buy",)))
DEDUPE = (None, None, 30, 10_000, 10_000_000)
EXEMPT: tuple[tuple[Exemption, ...], ...] = (
    *((), (), (), (), ("suppress",), ("cap",), ("silence",), ("quiet",)),
    ("suppress", "cap", "silence", "quiet"),
)
SENSITIVE = ((), (), (), (), SUBJECTS[:1], SUBJECTS)
QUIET = (
    Quiet(601, 605),
    Quiet(605, 601),
    Quiet(660, 661),
    Quiet(929, 932),
    Quiet(1320, 480),
    Quiet(600, 630),
)
TEMPLATES = tuple(
    map(
        Template,
        (
            "hello",
            "{{ event.category }}!",
            "{{ customer.name | default: '<you>' }}",
            "{{ customer.name }}",
            "{{ event.props.k }}/{{ event_name }}",
            "{{ context.weather.place.city | default: 'here' }}",
            "{{ context.weather.temperature }}",
        ),
    )
)
# Worlds take minutes, or with the wall clock a day.
OCCASIONS = (
    *(Occasion("day", 601), Occasion("day", 605), Occasion("day", 660), Occasion("day", 931)),
    *(Occasion("week", 602, (0,)), Occasion("week", 603, (0, 1)), Occasion("month", 604, (2, 3))),
    *(Occasion("month", 601, (31,)), Occasion("day", 1), Occasion("day", 0)),
    *(Occasion("year", 602, of=("born",)), Occasion("year", 601, of=("born",), before=7)),
    *(Occasion(None, 602, of=("ends",)), Occasion(None, 601, of=("ends",), before=2)),
    *(Occasion(None, None, of=("ends",)), Occasion(None, None, of=("ends",), before=60_000)),
)
CAPTURED = tuple(Template(f"{{{{ s{number}.category | default: '-' }}}}") for number in range(4))


def identified(rules: RuleSet) -> RuleSet:
    """A rule set with the stable ids that the compiler would give its traits and rules."""
    texts = [unparse(each) for each in rules.predicates]

    def id_of(rule: Rule) -> str:
        waits = (rule.steps, rule.unless, rule.wait, rule.again, rule.key)
        return rule_id(rule.name, *waits, texts, rule.occasion)

    return replace(
        rules,
        traits=tuple(replace(each, stable_id=trait_id(each, texts)) for each in rules.traits),
        rules=tuple(replace(each, stable_id=id_of(each)) for each in rules.rules),
    )


@dataclass
class Workshop:
    """What the definitions of one rule set share: the scale of its times and its distinct predicates."""

    scale: int
    predicates: list[Node] = field(default_factory=list)
    channels: tuple[Channel, ...] = ()
    segments: tuple[Segment, ...] = ()
    traits: tuple[Trait, ...] = ()

    def rule_set(self, rules: Sequence[Rule], policy: Policy, sources: tuple[Source, ...]) -> RuleSet:
        return identified(
            RuleSet(
                revision="0" * 16,
                sources=sources,
                traits=self.traits,
                channels=self.channels,
                predicates=tuple(self.predicates),
                rules=tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name))),
                segments=self.segments,
                policy=policy,
            )
        )

    def where(self, dice: Dice) -> int | None:
        if not dice.chance(4):
            return None
        node = parse(condition(dice, event_atom))
        known = [unparse(each) for each in self.predicates]
        if unparse(node) in known:
            return known.index(unparse(node))
        self.predicates.append(node)
        return len(self.predicates) - 1

    def over(self, dice: Dice) -> int:
        return dice.pick(DURATIONS) * self.scale

    def limit(self, dice: Dice) -> Limit | None:
        if not dice.chance(2):
            return None
        count = dice.pick((1, 1, 2, 3))
        return Limit(count, dice.pick(CALENDARS) if dice.chance(4) else self.over(dice))

    def trait(self, number: int, dice: Dice) -> Trait:
        function, path = dice.pick(FUNCTIONS)
        value = None
        if dice.chance(4):
            function, text = dice.pick(VALUES)
            path, value = None, parse(text)
        if function == "list":
            return self.list_trait(number, dice)
        return Trait(
            name=f"t{number}",
            stable_id="",
            function=function,
            of=dice.some(NAMES),
            field=path,
            where=self.where(dice),
            per=dice.pick((None, None, ("category",), ("props", "k"))),
            over=None if dice.chance(4) else self.over(dice),
            k=dice.pick((3, 1, 2)),
            value=value,
            items=("items",) if value is None and dice.chance(4) else None,
            clear=dice.some(NAMES) if dice.chance(4) else (),
        )

    def customer_atom(self, dice: Dice) -> str:
        """A condition on the customer, without an event."""
        match dice.number() % 4:
            case 0 if self.segments:
                return f"segments.{dice.pick(self.segments).name}"
            case 1 if self.traits:
                return trait_atom(dice, self.traits, self.scale, keys=("'a'", "1", "true", "'é'"))
            case 2:
                return dice.pick(NOW_TESTS)
        return dice.pick(CUSTOMER_TESTS)

    def list_trait(self, number: int, dice: Dice) -> Trait:
        of, key = dice.some(NAMES), dice.pick((None, ("category",), ("props", "k")))
        return Trait(
            name=f"t{number}",
            stable_id="",
            function="list",
            of=of,
            where=self.where(dice),
            over=None if dice.chance(2) else self.over(dice),
            clear=dice.some(NAMES) if dice.chance(4) else (),
            fields=dice.pick(ELEMENTS),
            items=("items",) if dice.chance(2) else None,
            key=key,
            remove=tuple(each for each in NAMES if each not in of)[:1] if key and dice.chance(2) else (),
            most=dice.pick((1, 2, 3, 20)),
        )

    def segment(self, number: int, dice: Dice) -> Segment:
        return Segment(f"g{number}", parse(condition(dice, self.customer_atom)))

    def channel(self, name: str, dice: Dice) -> Channel:
        return Channel(
            name,
            f"triggers.{name}",
            consent=dice.pick((None, None, None, *PURPOSES[:3])),
            address=dice.pick((None, None, None, ("customer", "email"), ("event", "props", "k"))),
            cap=self.limit(dice),
            quiet=dice.pick(QUIET) if dice.chance(2) else None,
            format=dice.pick(("text", "text", "html")),
            address_kind=dice.pick(("text", "text", "object")),
            suppress=parse(condition(dice, self.customer_atom)) if dice.chance(8) else None,
            exempt=dice.pick(EXEMPT) if dice.chance(2) else (),
        )

    def policy(self, dice: Dice) -> Policy:
        return Policy(
            timezone=dice.pick(ZONES),
            cap=self.limit(dice),
            suppress=parse(condition(dice, self.customer_atom)) if dice.chance(8) else None,
            holdout=dice.pick((0, 0, 0, 2_500)),
            stale_after=self.stale(dice),
        )

    def stale(self, dice: Dice) -> int | None:
        after = dice.pick((*[None] * 9, 0, 1, 5, 30))
        return None if after is None else after * self.scale

    def step(self, number: int, dice: Dice, names: list[str]) -> Step:
        """One more step; `names` of those before, to which its own is added."""
        compares = parse(condition(dice, captured_atom(names))) if names and dice.chance(2) else None
        step = Step(
            on=NAMES if dice.chance(3) else dice.some(NAMES),
            where=self.where(dice) if compares is None else None,
            compares=compares,
            name=f"s{number}" if dice.chance(2) else None,
            within=dice.pick(WAITS[2:]) * self.scale if number and dice.chance(2) else None,
        )
        if step.name:
            names.append(step.name)
        return step

    def unless(self, dice: Dice, names: Sequence[str]) -> Unless:
        compares = parse(condition(dice, captured_atom(names))) if names and dice.chance(2) else None
        where = self.where(dice) if compares is None else None
        return Unless(dice.some(NAMES), dice.pick(WAITS) * self.scale, where, compares)

    def rule(self, number: int, dice: Dice) -> Rule:
        rule = self.rule_of_events(number, dice)
        return self.on_a_clock(rule, dice) if dice.chance(4) else rule

    def on_a_clock(self, rule: Rule, dice: Dice) -> Rule:
        """The same, begun by a clock: it names no event."""
        plain = [each for each in TEMPLATES if not any(ref.path[0][:5] == "event" for ref in each.references)]
        return replace(
            rule,
            occasion=dice.pick(OCCASIONS),
            steps=(Step(()),),
            unless=None,
            wait=0,
            again=None,
            key=None,
            condition=None if dice.chance(2) else parse(condition(dice, self.customer_atom)),
            content={"text": dice.pick(plain)},
            variants=(),
        )

    def rule_of_events(self, number: int, dice: Dice) -> Rule:
        names: list[str] = []
        steps = tuple(self.step(each, dice, names) for each in range(dice.pick((1, 1, 2, 2, 2, 3, 4))))

        def atom(dice: Dice) -> str:
            match dice.number() % 6:
                case 0 | 1 | 2 if self.traits:
                    return trait_atom(dice, self.traits, self.scale)
                case 3:
                    return self.customer_atom(dice)
                case 4 if names:
                    return captured_atom(names)(dice)
                case 5 if dice.chance(3):
                    return dice.pick(LAG_TESTS)
            return event_atom(dice)

        content, variants = self.contents(dice, names)
        channels = (dice.pick(self.channels), dice.pick(self.channels), dice.pick(self.channels))
        return Rule(
            name=f"r{number}",
            stable_id="",
            steps=steps,
            channels=tuple(dict.fromkeys(channels[: dice.pick((1, 1, 2, 3))])),
            unless=self.unless(dice, names) if dice.chance(2) else None,
            wait=dice.pick(WAITS) * self.scale if dice.chance(4) else 0,
            again=dice.pick((None, None, "restart", "keep")),
            key=dice.pick((None, None, None, ("category",), ("props", "k"))),
            condition=None if dice.chance(4) else parse(condition(dice, atom)),
            limit=self.limit(dice),
            priority=dice.pick((0, 0, 1, -1)),
            group=dice.pick((None, "g", "g", "h")),
            holdout=dice.pick((0, 0, 0, 5_000)),
            rollout=dice.pick((WHOLE, WHOLE, WHOLE, WHOLE, 5_000)),
            mode=dice.pick(("live", "live", "live", "shadow")),
            goals=(Goal(("buy",), 3 * 86_400_000, ("amount",)), Goal(("view",), 60_000))[
                : dice.pick((0, 0, 1, 2))
            ],
            stale_after=self.stale(dice),
            quiet=dice.pick(("defer", "defer", "drop", 60_000, 3_600_000)),
            sensitive=dice.pick(SENSITIVE),
            silences=self.over(dice) if dice.chance(4) else None,
            exempt=dice.pick(EXEMPT) if dice.chance(2) else (),
            content=content,
            variants=variants,
        )

    def contents(
        self, dice: Dice, names: Sequence[str]
    ) -> tuple[Mapping[str, Template], tuple[Variant, ...]]:
        pool = (*TEMPLATES, *(CAPTURED[int(name[1])] for name in names))
        if not dice.chance(3):
            return ({"text": dice.pick(pool)} if dice.chance(2) else {}), ()
        shares = dice.pick(((5_000, 5_000), (1_000, 9_000), (2_500, 2_500, 5_000), (WHOLE,)))
        variants = (Variant(f"v{n}", share, {"text": dice.pick(pool)}) for n, share in enumerate(shares))
        return {}, tuple(variants)


@st.composite
def rule_sets(draw: st.DrawFn, *, scale: int) -> RuleSet:
    """One to six rules over at most four traits, three segments, three channels and three sources."""
    workshop = Workshop(scale)
    traits = draw(strings(32, 0, 4))
    workshop.traits = tuple(workshop.trait(n, Dice(faces)) for n, faces in enumerate(traits))
    for number, faces in enumerate(draw(strings(16, 0, 3))):
        workshop.segments += (workshop.segment(number, Dice(faces)),)
    faces = draw(st.binary(min_size=40, max_size=40))
    names = ("web", "email", "push")
    workshop.channels = tuple(workshop.channel(name, Dice(faces[n * 8 :])) for n, name in enumerate(names))
    policy = workshop.policy(Dice(faces[24:]))
    least = draw(st.sampled_from((1, 3)))
    rules = [workshop.rule(n, Dice(faces)) for n, faces in enumerate(draw(strings(96, least, 6)))]
    return workshop.rule_set(rules, policy, sources(Dice(draw(st.binary(min_size=7, max_size=7)))))


def sources(dice: Dice) -> tuple[Source, ...]:
    """One with names in the events, possibly nested, one where every event is a purchase, and two of news."""
    nested = dice.chance(2)
    clicks = Source(
        name="clicks",
        topic=dice.pick(("clicks", "z.clicks")),
        customer=("who", "id") if nested else ("customer",),
        event=("what", "name") if nested else ("event",),
        time=None if dice.chance(4) else ("ts",),
        id=None if dice.chance(4) else ("id",),
    )
    if clicks.id is not None:
        clicks = replace(clicks, dedupe=dice.pick(DEDUPE))
    orders = Source(
        "orders",
        "orders",
        ("customer",),
        constant="buy",
        time=("ts",),
        id=("id",),
        dedupe=dice.pick(DEDUPE),
    )
    profiles = Source("profiles", "profiles", ("customer",), time=("ts",), kind="profile")
    weather = Source("weather", "weather", ("customer",), time=("ts",), kind="context")
    return (weather, orders, profiles, clicks) if dice.chance(2) else (clicks, orders, profiles, weather)
