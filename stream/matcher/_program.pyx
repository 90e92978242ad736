"""A rule set, compiled to what the loop walks: a plan for each event name.

An event of a name that no plan has costs its decoding and one look-up. Each distinct predicate stands once,
by its number, however many rules share it; so do the nodes of equal conditions (`Names`).

A program depends on the rule set alone and is immutable once made, so all partitions share one: `program_of`
keeps those of the newest rule sets. Making one of 500 rules takes 10 ms: `preparing` does it in slices, so
that a worker can do other things in between.
Tested by tests/engine/test_process.py.
"""

cimport cython

from stream.matcher._condition cimport Names
from stream.matcher._failure cimport read_by
from stream.events._event cimport Fields
from stream.matcher._index cimport Index, FieldIndex
from stream.state._layout cimport Layout
from stream.events._value cimport ValueC
from stream.events._times cimport LATEST

from stream.matcher._condition import compile_condition
from stream.errors import ExpressionError
from stream.state._layout import short_id
from stream.matcher.atoms import OneOf
from stream.matcher.value_paths import trees_of
from stream.rules import field_paths
from stream.rules.aggregates import AGGREGATES as _AGGREGATES

cdef enum:
    REMEMBERED = 3      # rule sets
    SLICE = 20          # rules

cdef dict TAKES = {
    None: TAKES_NOTHING, "number": TAKES_NUMBER, "scalar": TAKES_SCALAR, "key": TAKES_KEY,
    "fields": TAKES_FIELDS,
}
cdef list programs = []     # the newest rule sets' programs, the newest last
cdef int64_t MAX_WAIT = (1 << 62) - LATEST     # so that no deadline overflows


@cython.final
cdef class Update:
    pass


@cython.final
cdef class StepPlan:
    pass


@cython.final
cdef class RulePlan:
    pass


@cython.final
cdef class Plan:
    def __cinit__(self, str name):
        self.name = name
        self.updates, self.candidates, self.later, self.awaited = [], [], {}, []

    cdef int make_index(self, predicates, Fields fields) except -1:
        """Everything is in the lists: makes what finds those that an event may fit."""
        cdef Update update
        cdef RulePlan rule
        self.awaited = list(dict.fromkeys(self.awaited))
        wheres = (
            [update.where for update in self.updates],
            [(<StepPlan> rule.steps[0]).where for rule in self.candidates],
            self.awaited,
        )
        self.updates_of, self.candidates_of, self.awaited_of = [
            Index([None if where < 0 else predicates[where] for where in each], fields) for each in wheres
        ]
        return 0


@cython.final
cdef class Program:
    """A rule set, compiled; `layout` says where in a customer's state its parts are."""

    def __cinit__(self, rules):
        self.rules = rules
        self.layout = Layout(rules)
        self.fields = Fields()
        self.plans, self.names, self.conditions = {}, {}, {}
        self.by_rank, self.clocks = [], []
        self.silencing = [rule for rule in rules.rules if rule.silences is not None]

    def make(self):
        """Compiles everything; yields now and then, so that others can do something in between."""
        cdef int slot
        cdef Names names
        cdef Plan plan
        cdef RulePlan clock
        rules = self.rules
        slots = {id: slot for slot, id in enumerate(self.layout.traits)}
        self.traits = {}
        for each in rules.traits:
            slot = slots[each.stable_id]
            self.traits[each.name] = slot, self.layout.trait[slot].function, each.per is not None
        self.segments = {each.name: slot for slot, each in enumerate(rules.segments)}
        self.counters = self.layout.counter_slots
        names = self.event_names = Names(fields=self.fields)
        self.predicates, self.places = [], {}
        self.verdicts = len(rules.predicates)
        for at, tree in enumerate(rules.predicates):
            self.predicates.append(compile_condition(tree, names))
            if at % SLICE == 0:
                yield
        for trait in {each.stable_id: each for each in rules.traits}.values():
            self.add_trait(trait)
        yield
        names = self.names_of(())
        self.segment_nodes = [compile_condition(each.condition, names) for each in rules.segments]
        self.suppress = None
        if rules.policy.suppress is not None:
            self.suppress = compile_condition(rules.policy.suppress, names)
        self.channel_suppress = {
            each.name: compile_condition(each.suppress, names)
            for each in rules.channels
            if each.suppress is not None
        }
        by_id = {each.stable_id: each for each in rules.rules}
        for rank, id in enumerate(self.layout.rules):
            self.add_rule(by_id[id], rank)
            if rank % SLICE == 0:
                yield
        if self.clocks:
            self.clock_mark = mark_of([self.layout.rules[clock.rank] for clock in self.clocks], rules.policy)
            # Who reaches a goal is known, and has clocks: a backtest, which watches goals, says the same.
            for name in {name for rule in rules.rules for goal in rule.goals for name in goal.on}:
                self.plan(name).awaited.append(-1)
        self.planned = list(self.plans.values())
        for plan in self.planned:
            plan.make_index(rules.predicates, self.fields)
            self.widest = max(self.widest, max(plan.updates_of.size, plan.candidates_of.size))
            self.widest = max(self.widest, plan.awaited_of.size)
            yield
        self.plans_by_name = FieldIndex(-1, [(at, OneOf((), (name,))) for at, name in enumerate(self.plans)])
        for source in rules.sources:
            for path in (source.customer, source.event, source.time, source.id):
                self.slot_of(path)
        self.fields.build()

    def names_of(self, tuple steps not None):
        """What the conditions of rules with steps of these names may name; None: a step without a name."""
        if steps not in self.names:
            indices = {name: index for index, name in enumerate(steps) if name is not None}
            self.names[steps] = Names(
                traits=self.traits, segments=self.segments, steps=indices, customer=True, fields=self.fields
            )
        return self.names[steps]

    cdef Plan plan(self, str name):
        if name not in self.plans:
            self.plans[name] = Plan(name)
        return self.plans[name]

    cdef Plan plan_of(self, const ValueC *name):
        cdef int position = 0
        return self.planned[position] if self.plans_by_name.find(name, &position) else None

    cdef int note(self, int where, str definition, str part, names) except -1:
        """Who has a predicate, and so an error where it has one for an event of these names."""
        if where >= 0:
            self.places.setdefault(where, []).append(((definition, part), frozenset(names)))
        return 0

    cdef int slot_of(self, path) except -2:
        return -1 if path is None else self.fields.slot(path)

    cdef Update update(self, trait, int does):
        """What events do to a trait: what clears it reads nothing, what removes an element its key."""
        cdef Update update = Update()
        update.does, update.slot, update.where = does, self.traits[trait.name][0], -1
        update.takes = TAKES[_AGGREGATES[trait.function].takes]
        cdef Fields of = self.fields
        cdef int at
        update.items, update.items_path = self.slot_of(trait.items), trait.items
        if trait.items is not None:
            of = update.element = Fields()
        update.key, update.per, update.field = [
            -1 if path is None else of.slot(path) for path in (trait.key, trait.per, trait.field)
        ]
        for at, path in enumerate(trait.fields):
            update.fields[at] = of.slot(path)
        if update.element is not None:
            update.element.build()
        within = trait.items or ()
        update.key_path, update.per_path = (*within, *(trait.key or ())), (*within, *(trait.per or ()))
        update.n_fields = len(trait.fields)
        update.field_paths = tuple([(*within, *path) for path in trait.fields])
        if trait.field is not None:
            update.read = field_paths.in_condition((*within, *trait.field))
        update.place = f"traits.{trait.name}", "field" if trait.value is None else "value"
        return update

    cdef int add_trait(self, trait) except -1:
        cdef Update update = self.update(trait, COUNTS)
        update.where = -1 if trait.where is None else trait.where
        self.note(update.where, f"traits.{trait.name}", "where", trait.of)
        update.tree = trait.value
        if trait.value is not None:
            update.read = read_by(trait.value)
            update.value = compile_condition(trait.value, self.event_names)
        # An event that clears and counts is the first of what it begins.
        for name in trait.clear:
            self.plan(name).updates.append(self.update(trait, CLEARS))
        for name in trait.remove:
            self.plan(name).updates.append(self.update(trait, REMOVES))
        for name in dict.fromkeys(trait.of):
            self.plan(name).updates.append(update)
        return 0

    cdef StepPlan step(self, each, tuple fields, names):
        cdef StepPlan step = StepPlan()
        step.names = set(each.on)
        step.where = -1 if each.where is None else each.where
        if each.compares is not None:
            step.compares = compile_condition(each.compares, names)
        step.within = -1 if each.within is None else each.within
        step.fields = fields
        return step

    cdef int add_rule(self, rule, int rank) except -1:
        cdef RulePlan plan = RulePlan()
        cdef tuple called = tuple([each.name for each in rule.steps])
        cdef StepPlan step
        plan.captures = called.count(None) < len(called)
        names = plan.names = self.names_of(called if plan.captures else ())
        plan.rank, plan.definition, plan.timed = rank, rule, rule.timed
        plan.name, plan.group = rule.name, rule.group
        plan.key = self.slot_of(rule.key)
        plan.steps = [
            self.step(each, fields, names)
            for each, fields in zip(rule.steps, rule.event_fields, strict=True)
        ]
        plan.wait = rule.wait
        if rule.unless is not None:
            plan.unless = self.step(rule.unless, None, names)
            plan.wait += rule.unless.within
        plan.wait = min(plan.wait, MAX_WAIT)
        plan.again = {None: AGAIN_UNSAID, "restart": AGAIN_RESTART, "keep": AGAIN_KEEP}[rule.again]
        stale_after = self.rules.policy.stale_after if rule.stale_after is None else rule.stale_after
        plan.stale_after = -1 if stale_after is None else stale_after
        plan.verdict = -1
        if rule.condition is not None:
            plan.condition = compile_condition(rule.condition, names)
            if not plan.captures:      # equal conditions are one node, judged once an event
                if plan.condition not in self.conditions:
                    self.conditions[plan.condition] = self.verdicts
                    self.verdicts += 1
                plan.verdict = self.conditions[plan.condition]
        plan.read = nodes_of_texts(rule, names)
        for number, step in enumerate(plan.steps, 1):
            self.note(step.where, rule.name, f"step {number}" if number > 1 else "where", step.names)
        if plan.unless is not None:
            self.note(plan.unless.where, rule.name, "unless", plan.unless.names)
        self.by_rank.append(plan)
        plan.occasion = rule.occasion
        if rule.occasion is not None:
            self.clocks.append(plan)
        for name in dict.fromkeys(rule.steps[0].on):
            self.plan(name).candidates.append(plan)
        for step in [*plan.steps[1:], *([plan.unless] if plan.unless is not None else [])]:
            for name in step.names:
                self.plan(name).later[rank] = plan
                self.plan(name).awaited.append(step.where)
        return 0


cdef int64_t mark_of(list rules, policy) except -1:
    """For which rules, by their stable ids, the clocks of customers are set; never 0."""
    return 1 + short_id("\0".join([*sorted(rules), policy.timezone or ""])) // 256


cdef dict nodes_of_texts(rule, Names names):
    """What the plain texts of a rule read, by path; without what no condition could read."""
    cdef dict found = {}
    for content in (rule.content, *[each.content for each in rule.variants]):
        for template in content.values():
            for path, tree in trees_of(template.plain or ()):
                if path in found:
                    continue
                try:
                    found[path] = compile_condition(tree, names)
                except ExpressionError:     # `rule`, say: conditions have no such variable
                    continue
    return found


cdef Program program_of(rules):
    cdef Program program
    for program in programs:
        if program.rules is rules:
            return program
    for _ in preparing(rules):
        pass
    return programs[len(programs) - 1]


def preparing(rules):
    """Makes the program of a rule set in slices of a millisecond or less; then `adopt` finds it."""
    cdef Program program
    for program in programs:
        if program.rules is rules:
            return
    program = Program(rules)
    yield
    yield from program.make()
    programs.append(program)
    del programs[:max(len(programs) - REMEMBERED, 0)]
