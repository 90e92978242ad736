"""`rules`: what to watch for, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from stream.diagnostics import Code
from stream.expression import Node
from stream.rules import keys
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.conditions import condition
from stream.rules.compiler.definition import VARIABLE, Definition
from stream.rules.compiler.identity import rule_id
from stream.rules.compiler.messages import read_send
from stream.rules.compiler.occasions import check_channels, read_occasion
from stream.rules.files import Entry, Sequence, Written
from stream.rules.model import Again, Channel, FieldPath, Goal, Mode, Policy, Rule, Step, Unless, WhenQuiet
from stream.rules.scope import RESERVED, clock_scope, event_scope, rule_scope
from stream.rules.selections import variables_of

Named = Mapping[str, tuple[str, ...]]  # the names of steps, and the events that each waits for


def read_rule(run: Compilation, entry: Entry, channels: Mapping[str, Channel], policy: Policy) -> Rule:
    read = run.definition("rule", entry, keys.RULE)
    occasion = read_occasion(run, read)
    steps = _steps(run, read) if occasion is None else (Step(()),)
    named = _named(steps)
    shapes = run.plan.shapes(steps[-1].on, named)
    if occasion is None:
        scope = rule_scope(run.traits, run.segments, named, run.contexts, shapes)
    else:
        scope = clock_scope(run.traits, run.segments, run.contexts, shapes)
    subjects = {subject.name: subject for subject in policy.sensitive}
    sensitive = read.names("sensitive", subjects, "sensitive subject", keys.MAX_SUBJECTS)
    read.need("send", "write `send: {channel: …}`")
    send = read_send(run, read, channels, scope)
    if occasion is not None:
        check_channels(run, read, send.channels)
    unless, wait, key = _unless(run, read, named), values.duration(read, "wait") or 0, _key(run, read)
    again = cast(Again | None, read.name("again", keys.AGAIN, "value of `again`"))
    return Rule(
        name=entry.key,
        stable_id=rule_id(entry.key, steps, unless, wait, again, key, run.texts, occasion),
        steps=steps,
        channels=send.channels,
        unless=unless,
        wait=wait,
        again=again,
        key=key,
        occasion=occasion,
        condition=condition(read, "if", scope),
        content=send.content,
        variants=send.variants,
        limit=values.rate(read, "limit"),
        priority=values.integer(read, "priority", -keys.MAX_PRIORITY, keys.MAX_PRIORITY) or 0,
        group=read.new_name("group"),
        holdout=values.holdout(read),
        rollout=values.rollout(read),
        mode=cast(Mode, read.name("mode", keys.MODES, "value of `mode`") or "live"),
        goals=_goals(run, read),
        stale_after=values.duration(read, "stale_after"),
        quiet=cast(WhenQuiet, values.duration_or(read, "quiet", keys.QUIET) or "defer"),
        describe=read.text("describe") or "",
        sensitive=tuple(subjects[name] for name in sensitive),
        silences=values.duration(read, "silences"),
        exempt=values.exempt(read),
        discloses=read.names("discloses", run.contexts, "source of context", keys.MAX_DISCLOSED),
    )


def check_silences(run: Compilation, rules: Iterable[Rule]) -> None:
    """Each match looks at each rule that silences others, so there may not be many."""
    silencing = [rule.name for rule in rules if rule.silences is not None]
    if len(silencing) > keys.MAX_SILENCING:
        message = f"more than {keys.MAX_SILENCING} rules have `silences`"
        hint = "let a condition say it: `policy.suppress`, or the channel's `suppress`"
        run.error(Code.WRONG_LIST, run.files.rules[silencing[keys.MAX_SILENCING]], message, hint)


def _steps(run: Compilation, read: Definition) -> tuple[Step, ...]:
    """The steps of a rule; `on` and `where` are a rule of one."""
    read.either("on", "steps")
    if "steps" not in read.entries:
        read.need("on", "the event to watch for; or `steps`, `every`, `date`")
        on = values.event_names(read, "on")
        scope = event_scope(shapes=run.plan.shapes(on))
        return (Step(on, run.predicate(condition(read, "where", scope))),)
    read.either("where", "steps")
    steps: list[Step] = []
    written: dict[str, Written] = {}
    items = read.items("steps", keys.MAX_STEPS)
    if not items and read.entries["steps"].value is not None:
        run.error(Code.WRONG_LIST, read.entries["steps"], "`steps` is empty", "write at least one step")
    for item in items:
        step = _step(run, item, _named(steps), first=not steps)
        if step.name is not None and step.name in written:
            message, at = f"two steps are called `{step.name}`", written[step.name].location
            run.findings.add(Code.DEFINED_TWICE, item.location, message, f"also at {at}")
            run.findings.add(Code.DEFINED_TWICE, at, message, f"also at {item.location}")
        written.setdefault(step.name or "", item)
        steps.append(step)
    return tuple(steps) or (Step(()),)


def _named(steps: Iterable[Step]) -> dict[str, tuple[str, ...]]:
    """The names of steps, each with the events that it waits for."""
    return {step.name: step.on for step in steps if step.name is not None}


def _step(run: Compilation, item: Written, earlier: Named, *, first: bool) -> Step:
    read = run.item("step", item, keys.STEP)
    read.need("on", "the event to wait for")
    if first:
        hint = "`within` counts from the step before: write it at the second step"
        read.forbid("within", "the first step has no `within`", hint)
    name = read.new_name("as", VARIABLE)
    if name in RESERVED:
        hint = "it means something else in conditions: choose another"
        run.findings.add(Code.WRONG_NAME, read.entries["as"].value.location, f"`{name}` is taken", hint)
    on = values.event_names(read, "on")
    where, compares = _where(run, read, on, earlier)
    return Step(
        on,
        where,
        compares,
        name,
        None if first else values.duration(read, "within"),
    )


def _where(
    run: Compilation, read: Definition, on: tuple[str, ...], earlier: Named
) -> tuple[int | None, Node | None]:
    """A step's condition: the number of one that sees its event only, or one that names earlier steps."""
    node = condition(read, "where", event_scope(earlier, run.plan.shapes(on, earlier)))
    if node is not None and earlier.keys() & set(variables_of(node)):
        return None, node
    return run.predicate(node), None


def _unless(run: Compilation, rule: Definition, steps: Named) -> Unless | None:
    entry = rule.entries.get("unless")
    if entry is None:
        return None
    read = run.definition("unless", entry, keys.UNLESS)
    read.need("on", "the event that makes the rule fall silent")
    read.need("within", "how long to wait for it, e.g. 30m")
    on = values.event_names(read, "on")
    where, compares = _where(run, read, on, steps)
    return Unless(on, values.duration(read, "within") or 0, where, compares)


def _key(run: Compilation, read: Definition) -> FieldPath | None:
    path, entry = values.path(read, "key"), read.entries.get("key")
    if path is None or entry is None:
        return None
    if path[0] != "event" or len(path) == 1:
        message, hint = "`key` must be a field of the event", "write e.g. event.sku"
        run.findings.add(Code.WRONG_KEY, entry.value.location, message, hint)
    return path[1:]


def _goals(run: Compilation, rule: Definition) -> tuple[Goal, ...]:
    """What the message should lead to: `goal` is a list of one."""
    rule.either("goal", "goals")
    if one := rule.entries.get("goal"):
        return (_goal(run.definition("goal", one, keys.GOAL)),)
    items = rule.items("goals", keys.MAX_GOALS)
    if (several := rule.entries.get("goals")) and isinstance(several.value, Sequence) and not items:
        run.error(Code.WRONG_LIST, several, "`goals` is empty", "write at least one goal, or leave it out")
    return tuple(_goal(run.item("goal", item, keys.GOAL)) for item in items)


def _goal(read: Definition) -> Goal:
    read.need("on", "the event that the message should lead to")
    read.need("within", "how long after the message it counts, e.g. 3d")
    return Goal(
        values.event_names(read, "on"), values.duration(read, "within") or 0, values.path(read, "value")
    )
