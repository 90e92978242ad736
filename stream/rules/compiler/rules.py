"""`rules`: what to watch for, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from stream.diagnostics import Code
from stream.expression import Node
from stream.rules import keys
from stream.rules.compiler.context import Context
from stream.rules.compiler.identity import rule_id
from stream.rules.compiler.messages import read_send
from stream.rules.compiler.reading import VARIABLE, Reader
from stream.rules.files import Entry, Written
from stream.rules.model import WHOLE, Again, Channel, FieldPath, Goal, Policy, Rule, Step, Unless, WhenQuiet
from stream.rules.scope import RESERVED, event_scope, rule_scope, variables_of


def read_rule(context: Context, entry: Entry, channels: Mapping[str, Channel], policy: Policy) -> Rule:
    read = context.reader("rule", entry, keys.RULE)
    steps = _steps(context, read)
    names = [step.name for step in steps if step.name is not None]
    scope = rule_scope(context.traits, context.segments, names, context.contexts)
    subjects = {subject.name: subject for subject in policy.sensitive}
    sensitive = read.names("sensitive", subjects, "sensitive subject", keys.MAX_SUBJECTS)
    read.need("send", "write `send: {channel: …}`")
    send = read_send(context, read, channels, scope)
    unless, wait, key = _unless(context, read, names), read.duration("wait") or 0, _key(context, read)
    again = cast(Again | None, read.name("again", keys.AGAIN, "value of `again`"))
    return Rule(
        name=entry.key,
        stable_id=rule_id(entry.key, steps, unless, wait, again, key, context.texts),
        steps=steps,
        channels=send.channels,
        unless=unless,
        wait=wait,
        again=again,
        key=key,
        condition=read.condition("if", scope),
        content=send.content,
        variants=send.variants,
        limit=read.rate("limit"),
        priority=read.integer("priority", -keys.MAX_PRIORITY, keys.MAX_PRIORITY) or 0,
        group=read.new_name("group"),
        holdout=_holdout(context, read),
        goal=_goal(context, read),
        stale_after=read.duration("stale_after"),
        quiet=cast(WhenQuiet, read.duration_or("quiet", keys.QUIET) or "defer"),
        describe=read.text("describe") or "",
        sensitive=tuple(subjects[name] for name in sensitive),
        discloses=read.names("discloses", context.contexts, "source of context", keys.MAX_DISCLOSED),
    )


def _steps(context: Context, read: Reader) -> tuple[Step, ...]:
    """The steps of a rule; `on` and `where` are a rule of one."""
    read.either("on", "steps")
    if "steps" not in read.entries:
        read.need("on", "the event to watch for, or `steps`")
        return (Step(read.event_names("on"), context.predicate(read.condition("where", event_scope()))),)
    read.either("where", "steps")
    steps: list[Step] = []
    written: dict[str, Written] = {}
    items = read.items("steps", keys.MAX_STEPS)
    if not items and read.entries["steps"].value is not None:
        context.error(Code.WRONG_LIST, read.entries["steps"], "`steps` is empty", "write at least one step")
    for item in items:
        step = _step(context, item, [each.name for each in steps if each.name is not None], first=not steps)
        if step.name is not None and step.name in written:
            message, at = f"two steps are called `{step.name}`", written[step.name].location
            context.findings.add(Code.DEFINED_TWICE, item.location, message, f"also at {at}")
            context.findings.add(Code.DEFINED_TWICE, at, message, f"also at {item.location}")
        written.setdefault(step.name or "", item)
        steps.append(step)
    return tuple(steps) or (Step(()),)


def _step(context: Context, item: Written, earlier: list[str], *, first: bool) -> Step:
    read = context.item("step", item, keys.STEP)
    read.need("on", "the event to wait for")
    if first:
        hint = "`within` counts from the step before: write it at the second step"
        read.forbid("within", "the first step has no `within`", hint)
    name = read.new_name("as", VARIABLE)
    if name in RESERVED:
        hint = "it means something else in conditions: choose another"
        context.findings.add(Code.WRONG_NAME, read.entries["as"].value.location, f"`{name}` is taken", hint)
    where, compares = _where(context, read, earlier)
    return Step(read.event_names("on"), where, compares, name, None if first else read.duration("within"))


def _where(context: Context, read: Reader, earlier: list[str]) -> tuple[int | None, Node | None]:
    """A step's condition: the number of one that sees its event only, or one that names earlier steps."""
    node = read.condition("where", event_scope(earlier))
    if node is not None and set(earlier).intersection(variables_of(node)):
        return None, node
    return context.predicate(node), None


def _unless(context: Context, rule: Reader, steps: list[str]) -> Unless | None:
    entry = rule.entries.get("unless")
    if entry is None:
        return None
    read = context.reader("unless", entry, keys.UNLESS)
    read.need("on", "the event that makes the rule fall silent")
    read.need("within", "how long to wait for it, e.g. 30m")
    where, compares = _where(context, read, steps)
    return Unless(read.event_names("on"), read.duration("within") or 0, where, compares)


def _key(context: Context, read: Reader) -> FieldPath | None:
    path, entry = read.path("key"), read.entries.get("key")
    if path is None or entry is None:
        return None
    if path[0] != "event" or len(path) == 1:
        message, hint = "`key` must be a field of the event", "write e.g. event.sku"
        context.findings.add(Code.WRONG_KEY, entry.value.location, message, hint)
    return path[1:]


def _holdout(context: Context, read: Reader) -> int:
    share = read.share("holdout") or 0
    if share >= WHOLE:
        message = "`holdout` holds everybody out"
        context.findings.add(Code.NO_SHARE, read.entries["holdout"].value.location, message)
    return share


def _goal(context: Context, rule: Reader) -> Goal | None:
    entry = rule.entries.get("goal")
    if entry is None:
        return None
    read = context.reader("goal", entry, keys.GOAL)
    read.need("on", "the event that the message should lead to")
    read.need("within", "how long after the message it counts, e.g. 3d")
    return Goal(read.event_names("on"), read.duration("within") or 0, read.path("value"))
