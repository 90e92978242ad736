"""A match, as the guards, content and the decision see it.

What all matches of a partition share is in `Shared`: the program, the customers, what was decided before a
crash, which groups are claimed, and the result that oddities are counted in.

Tested by tests/engine/test_process.py and the reference model.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.events._value cimport ABSENT
from stream.matcher._failure cimport why_failed
from stream.matcher._frame cimport Node
from stream.matcher._program cimport RulePlan, StepPlan
from stream.state._customer cimport MAX_INSTANCES
from stream.state._customers cimport Customers
from stream.state._instances cimport MAX_KEPT, Instance, without_largest
from stream.state._windows cimport nothing_of

import orjson

from stream import structs

cdef object dumps = orjson.dumps
cdef object PUT_OFF = structs.PUT_OFF
cdef dict NO_ONE = {}       # attributes or consents of who has none; never written to


class KeyedValues(dict):
    """A trait with `per` as content sees it: an absent key reads as over nothing, if that is a value."""

    def __init__(self, values, function):
        super().__init__(values)
        self.function = function

    def __missing__(self, key):
        value = nothing_of(self.function)
        if value is ABSENT:
            raise KeyError(key)
        return value


@cython.final
cdef class Shared:
    def __cinit__(self, Customers customers not None):
        self.customers = customers
        self.groups, self.off = {}, {}
        self.prior_decisions, self.prior_sends = {}, {}

    cdef void begin(self, int64_t offset, int64_t at) noexcept:
        self.text_steps, self.shadow_steps = 0, 0
        self.offset, self.at = offset, at

    cdef int complain(self, str source, str reason) except -1:
        cdef dict errors = self.result.errors
        key = (source, reason)
        errors[key] = errors.get(key, 0) + 1
        return 0

    cdef int condition_failed(self, str source, tuple place, tuple why) except -1:
        self.note_failure(source, place, why)
        return self.complain(source, "condition")

    cdef int note_failure(self, str source, tuple place, tuple why) except -1:
        cdef dict failed = self.result.condition_errors
        key = (*place, *why)
        before = failed.get(key, 0)
        failed[key] = before + 1
        if before == 0:
            self.result.first_failures[key] = (source, self.offset, self.at)
        return 0


@cython.no_gc
@cython.final
@cython.freelist(8)
cdef class Match:
    """A rule whose steps were done and whose `if` held, as of `at`: what guards and content see of it.

    `event`, `event_time`, `event_id` and so on are those of the last step; `captured` maps the names of
    steps to their events. `timed`: a timer fired it. `offset`: of the record that caused it, in its partition
    of the source; -1 where a timer did. `since`: when quiet hours first put it off, else `at`. `closed_by`:
    of one that was put off, the source of the event that its `unless` has seen; `offset` is that event's.
    Times are milliseconds since the epoch. It is good until `decide` returns.
    More than 25 methods, because it is one view of what engine, state and rules know.
    """

    @property
    def text_steps(self):
        """Steps that texts have taken, of this match and those before it of the same event or timer."""
        return self.shared.text_steps

    @text_steps.setter
    def text_steps(self, int64_t steps):
        self.shared.text_steps = steps

    @property
    def event(self):
        """As a dict; not to be written to."""
        return self.frame.whole()

    @property
    def since(self):
        return self.cause.since if self.cause.since >= 0 else self.at

    @property
    def late(self):
        return self.cause.late

    @property
    def key(self):
        """The JSON of the value of the rule's `key`; None without one."""
        return None if self.cause.key is ABSENT else dumps(self.cause.key).decode()

    @property
    def attributes(self):
        return self.customer.rare.attributes if self.customer.rare.attributes is not None else NO_ONE

    @property
    def consents(self):
        return self.customer.rare.consents if self.customer.rare.consents is not None else NO_ONE

    @property
    def contexts(self):
        return self.customer.rare.contexts if self.customer.rare.contexts is not None else NO_ONE

    cdef object address_at(self, tuple path):
        """What a channel's address says, None if there is none."""
        value = self.frame.attributes() if path[0] == "customer" else self.frame.whole()
        for name in path[1:]:
            if type(value) is not dict:
                return None
            value = (<dict> value).get(name)
        return value

    def prior_decision(self, str trigger_id not None):
        """What was decided of this match before a crash, of which the state knows nothing; None: nothing."""
        cdef dict prior = self.shared.prior_decisions
        if not prior:
            return None
        return prior.get((trigger_id, self.at)) or prior.get((trigger_id, PUT_OFF))

    cdef RulePlan plan(self):
        """The rule, as the loop knows it."""
        return self.shared.program.by_rank[self.cause.rank]

    cdef bint is_suppressed(self) except -1:
        """Whether the policy's `suppress` holds, or ends in an error: then nobody knows, and it counts."""
        cdef Node suppress = self.shared.program.suppress
        return suppress is not None and self.forbids(suppress, self.rules.policy, "policy")

    cdef bint is_suppressed_on(self, object channel, Node suppress) except -1:
        """The same of a channel's own."""
        return self.forbids(suppress, channel, f"channels.{channel.name}")

    cdef bint forbids(self, Node suppress, object of, str place) except -1:
        cdef int held = suppress.test(self.frame)
        if held < 0:
            why = why_failed(of.suppress, self.shared.program.names_of(()), self.frame)
            self.shared.condition_failed(self.source, (place, "suppress"), why)
        return held != 0

    cdef bint is_claimed(self) except -1:
        """Whether another rule has claimed the group; a rule does not stand in its own way."""
        cdef dict claimed = self.shared.groups
        cdef RulePlan rule = self.plan()
        if rule.group is None:
            return False
        if self.timed:
            claimed = self.customer.rare.claimed if self.customer.rare.claimed_at == self.at else None
        return claimed is not None and claimed.get(rule.group, rule.name) != rule.name

    @property
    def rules(self):
        return self.shared.rules

    cdef int claim_group(self) except -1:
        """No other rule of the group fires for the same cause: the event, or the moment of the timer."""
        cdef RulePlan rule = self.plan()
        if rule.group is None:
            return 0
        if not self.timed:
            self.shared.groups[rule.group] = rule.name
            return 0
        if self.customer.rare.claimed is None or self.customer.rare.claimed_at != self.at:
            self.customer.own().claimed = {}
            self.customer.rare.claimed_at = self.at
        self.customer.rare.claimed[rule.group] = rule.name
        return 0

    def prior_sends(self, str counter not None):
        """When it was used before a crash, as far as that was not judged again yet: ascending times."""
        if not self.shared.prior_sends:
            return ()
        return self.shared.prior_sends.get((self.customer_id, counter), ())

    cdef int enter(self, str counter, int slot, Py_ssize_t keep, bint again) except -1:
        """Uses a counter once, of which the newest `keep` times decide. `again`: it is a prior send."""
        self.customer.sent(slot, self.at, keep)
        if again:
            times = self.shared.prior_sends.get((self.customer_id, counter), [])
            if self.at in times:
                times.remove(self.at)
        return 0

    @property
    def may_wait(self):
        """Whether there is room for one more message of the rule that waits for the end of quiet hours."""
        return self.customer.put_off(self.cause.rank) < MAX_INSTANCES

    cdef int defer(self, int64_t until) except -1:
        """Puts it off: it is judged again as of `until`."""
        cdef RulePlan rule = self.shared.program.by_rank[self.cause.rank]
        cdef Instance instance = Instance.__new__(Instance), cause = self.cause
        cdef StepPlan step
        instance.rank, instance.step, instance.key = cause.rank, len(rule.steps), cause.key
        instance.sequence = cause.sequence
        instance.late, instance.since, instance.deadline = cause.late, self.since, until
        instance.time, instance.appended_at = cause.time, cause.appended_at
        instance.source, instance.name, instance.id = cause.source, cause.name, cause.id
        instance.events = cause.events
        if instance.events is None:     # judged at once: its event was not kept
            step = rule.steps[0]
            event = self.frame.whole()
            if step.fields is not None:
                event = {name: event[name] for name in step.fields if name in event}
            try:
                kept = dumps(event)
                if len(kept) > MAX_KEPT:
                    kept = without_largest(kept)
                    self.shared.complain(cause.source, "evicted")
            except orjson.JSONEncodeError:
                kept = b"{}"
                self.shared.complain(cause.source, "too_deep")
            instance.events = [kept]
        self.shared.customers.open(self.customer, instance)
        return 0

    @property
    def trait_names(self):
        return tuple(self.shared.program.traits)

    def trait(self, str name not None):
        """A trait's value as of `at`, a mapping if it has `per`. KeyError if unknown or without value."""
        slot, function, per = self.shared.program.traits[name]
        if per:
            return KeyedValues(self.customer.values(slot, self.at), function)
        value = self.customer.value(slot, NULL, self.at)
        if value is ABSENT:
            raise KeyError(name)
        return value

    @property
    def segment_names(self):
        return tuple(self.shared.program.segments)

    def segment(self, str name not None):
        """Whether the customer belongs to a segment. KeyError if none has the name, or it was refused."""
        cdef int held = self.frame.judge(self.shared.program.segments[name])
        if held < 0:
            raise KeyError(name)
        return held == 1

    @property
    def captured(self):
        found = {}
        for at, step in enumerate(self.rule.steps):
            if step.name is not None:
                found[step.name] = self.frame.captured[at]
        return found
