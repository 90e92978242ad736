# cython: autotestdict=False
"""What is done with an event: merge, traits, waiting instances, rules, timers. One call works off a batch.

    records ─► Lane (one a source, `_decode`): the head is decoded, the rest waits as it came
                 │  the earliest head, once every source has one or is known to be at its end
                 ▼
    apply      1 timers that are due before the event       heap of the partition, `_customers`
               2 leave out what the customer has had        applied offset by source
               3 traits of the event's name                 Plan.updates
               4 instances that wait for it to close them   Plan.closing
               5 rules of the event's name                  Plan.candidates, by priority and name
                   `where` held ─► opens an instance, or `if` held ─► a Match ─► decide (engine.py)

A `Program` is compiled from a rule set: a plan for each event name, so that an event of any other name
costs its decoding and one look-up. Each distinct predicate is judged at most once an event (`verdicts`).

Once. A record is left out if the customer has had it or a later one of the same source. An event that
fits the `on` and `where` of a trait, a rule or an `unless` records its offset, even where it changed
nothing: read again later, it would close an instance that another source opened since. What fits nothing
is not recorded: it does nothing however often it is read, because whether it fits depends on the event
alone.

Watermark. `Lane.reached` is the largest event time applied; with the head's time, it is what a source has
reached. It is kept in the changelog under the empty key, because what has been fired by it must have been
fired before the same events after a restart, too.

Cost: ten rules, 200-byte events: 3 to 4 µs an event, of which orjson is 1.2 to 1.5.
Tested by tests/unit/test_engine.py and the reference model.
Longer than 450 lines, because the loop is one class and the program it walks is laid out for it alone.
"""

cimport cython
from cpython.dict cimport PyDict_GetItemWithError
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memset

from stream._condition cimport Frame, Node, is_number, nothing, reach
from stream._customers cimport Customers
from stream._decode cimport Lane
from stream._state cimport COUNT, LAST, Customer, Instance, Layout, is_scalar, key_of

import orjson

from stream._codec import decode_reached, encode_reached
from stream._condition import Names, compile_condition
from stream._state import ABSENT

cdef object ERROR = ABSENT
cdef object loads = orjson.loads
cdef object dumps = orjson.dumps
cdef int64_t MAX_TIME = 253402300799999     # 9999-12-31T23:59:59.999Z
cdef int64_t MAX_DEADLINE = 1 << 62
cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef bytes NOTHING_REACHED = encode_reached({})

cdef enum:
    UNKNOWN = 2     # a predicate that was not judged yet; else 1 or 0


# --- the program -------------------------------------------------------------------------------

@cython.final
@cython.auto_pickle(False)
cdef class Update:
    pass


@cython.final
@cython.auto_pickle(False)
cdef class Candidate:
    pass


@cython.final
@cython.auto_pickle(False)
cdef class Plan:
    def __cinit__(self):
        self.updates, self.candidates, self.closing = [], [], []
        self.closing_ranks = set()


@cython.final
@cython.auto_pickle(False)
cdef class Program:
    """A rule set, compiled; `layout` says where in a customer's state its parts are."""

    def __cinit__(self, rules, Layout previous=None):
        cdef int slot
        self.layout = Layout(rules, previous)
        self.plans = {}
        slots = {id: slot for slot, id in enumerate(self.layout.traits)}
        self.traits = {}
        for each in rules.traits:
            slot = slots[each.stable_id]
            self.traits[each.name] = slot, self.layout.trait[slot].function, each.per is not None
        self.names = Names(traits=self.traits)
        names = Names()
        self.predicates = [compile_condition(tree, names) for tree in rules.predicates]
        for trait in {each.stable_id: each for each in rules.traits}.values():
            self.add_trait(trait)
        by_id = {each.stable_id: each for each in rules.rules}
        self.candidates = [self.add_rule(by_id[id], rank) for rank, id in enumerate(self.layout.rules)]

    cdef Plan plan(self, str name):
        if name not in self.plans:
            self.plans[name] = Plan()
        return self.plans[name]

    cdef int add_trait(self, trait) except -1:
        cdef Update update = Update()
        update.slot, update.function, _ = self.traits[trait.name]
        update.where = -1 if trait.where is None else trait.where
        update.field, update.per = trait.field, trait.per
        for name in dict.fromkeys(trait.of):
            self.plan(name).updates.append(update)
        return 0

    cdef Candidate add_rule(self, rule, int rank):
        cdef Candidate candidate = Candidate()
        cdef Plan plan
        candidate.rank, candidate.rule = rank, rule
        candidate.where = -1 if rule.where is None else rule.where
        if rule.condition is not None:
            candidate.condition = compile_condition(rule.condition, self.names)
        candidate.fields = rule.event_fields
        candidate.keep = 0 if rule.limit is None else rule.limit.count
        candidate.within = candidate.unless_where = -1
        for name in dict.fromkeys(rule.on):
            self.plan(name).candidates.append(candidate)
        if rule.unless is not None:
            candidate.within = min(rule.unless.within, MAX_DEADLINE - MAX_TIME)
            candidate.unless_where = -1 if rule.unless.where is None else rule.unless.where
            for name in dict.fromkeys(rule.unless.on):
                plan = self.plan(name)
                plan.closing.append(candidate)
                plan.closing_ranks.add(rank)
        return candidate


# --- matches -----------------------------------------------------------------------------------

class _Keyed(dict):
    """A trait with `per` as content sees it: an absent key reads as nothing counted, if that is a value."""

    def __init__(self, values, function):
        super().__init__(values)
        self.function = function

    def __missing__(self, key):
        value = nothing(self.function)
        if value is ERROR:
            raise KeyError(key)
        return value


@cython.final
@cython.auto_pickle(False)
cdef class Match:
    """A rule whose `on`, `where` and `if` held, as of `at`. Times are milliseconds since the epoch.

    `event_time`, `event_id` and so on are those of the event that caused it; `timed`: a timer fired it.
    """

    @property
    def sent(self):
        """When the rule was last sent to the customer: ascending times, as many as its limit looks at."""
        return self.customer.sends.get(self.candidate.rank, ()) if self.customer.sends is not None else ()

    @property
    def trait_names(self):
        return tuple(self.trait_slots)

    def trait(self, str name not None):
        """A trait's value as of `at`, a mapping if it has `per`. KeyError if unknown or without value."""
        slot, function, per = self.trait_slots[name]
        if per:
            keys = self.customer.traits[<int> slot] or ()
            values = {key: self.customer.value(slot, key, self.at) for key in keys}
            bare = {(key[0] if type(key) is tuple else key): values[key] for key in keys}
            return _Keyed({key: value for key, value in bare.items() if value is not ERROR}, function)
        value = self.customer.value(slot, None, self.at)
        if value is ERROR:
            raise KeyError(name)
        return value


# --- the loop ----------------------------------------------------------------------------------

@cython.final
@cython.auto_pickle(False)
cdef class PartitionState:
    """All that the engine remembers of one partition: customers, timers, what is at hand, how far it is.

    One owner, one thread. `load` and `ready` fill it, `stream.engine.process` moves it on, `take_changed`
    gives out what changed.
    """

    def __cinit__(self, rules):
        self.rules = rules
        self.program = Program(rules)
        self.table = Customers(self.program.layout)
        self.lanes = []
        self.lane_by_name = {}
        self.frame = Frame()
        self.link()

    def __dealloc__(self):
        PyMem_Free(self.verdicts)

    # - what it holds

    @property
    def customers(self):
        return len(self.table)

    @property
    def timers(self):
        """Instances that wait for their deadline."""
        return self.table.timers

    @property
    def pending(self):
        """Records that are at hand but not applied."""
        return sum([(<Lane> lane).at_hand() for lane in self.lanes])

    @property
    def state_bytes(self):
        """Bytes of the customers' changelog values, as last taken or loaded: not their size in memory."""
        return self.table.state_bytes

    def trait(self, str customer_id not None, str name not None, int64_t at, key=None):
        """A trait's value as of `at` (at `key`, with `per`); ABSENT if it has none. For tests and tools."""
        slot, function, per = self.program.traits[name]
        cdef Customer customer = self.table.find(customer_id)
        if customer is None:
            return nothing(function)
        return customer.value(slot, key_of(key) if per else None, at)

    # - to and from the changelog

    def load(self, bytes key not None, bytes value):
        """Takes one record of the changelog: the latest of a key counts; a value of None deletes.

        The empty key holds how far the sources have come. StateError if the record is corrupt, or its
        version unknown.
        """
        cdef Lane lane
        if key:
            self.table.load(key, value)
            return
        reached = decode_reached(value) if value is not None else {}
        for lane in self.lanes:
            lane.reached = reached.get(lane.name, -1)
        self.reached_taken = value

    def ready(self):
        """Everything is loaded: makes the timers. (`process` does it, too, if it was not done.)"""
        self.table.rebuild_timers()

    def take_changed(self):
        """(key, value) for the changelog of each customer that changed since the last call, as of now.

        After them, if anything moved, the record of how far the sources have come (the empty key): it must
        not be durable before the customers are. Empty if nothing changed.
        """
        cdef Lane lane
        taken = self.table.take_changed()
        reached = encode_reached({lane.name: lane.reached for lane in self.lanes if lane.reached >= 0})
        if taken or reached != (self.reached_taken or NOTHING_REACHED):
            taken.append((b"", reached))
            self.reached_taken = reached
        return taken

    def forget_pending(self):
        """Drops what is at hand but not applied: it will be read again."""
        cdef Lane lane
        for lane in self.lanes:
            lane.waiting = []
            lane.records = ()
            lane.at = lane.count = 0
            lane.ready = False
            lane.event = lane.record = None

    def adopt(self, rules):
        """Goes over to another rule set: what belongs to unchanged stable ids is kept, the rest dropped."""
        self.program = Program(rules, self.program.layout)      # may raise: then nothing has changed
        self.rules = rules
        self.table.adopt(self.program.layout)
        self.link()

    cdef int link(self) except -1:
        """Makes the lanes of the present sources; what is at hand of sources that stay is decoded anew."""
        cdef Lane lane, old
        cdef signed char *verdicts
        lanes = []
        for slot, source in enumerate(self.rules.sources):
            lane = Lane(source, slot)
            old = self.lane_by_name.get(source.name)
            if old is not None:
                lane.reached = old.reached
                rest = [old.record] if old.ready else []
                lane.feed(rest + list(old.records[old.at:]))
                for records in old.waiting:
                    lane.feed(records)
            lanes.append(lane)
        # Equal event times go in the order of the sources' names.
        self.lanes = sorted(lanes, key=lambda each: (<Lane> each).name)
        self.lane_by_name = {(<Lane> lane).name: lane for lane in self.lanes}
        verdicts = <signed char *> PyMem_Realloc(self.verdicts, max(len(self.program.predicates), 1))
        if verdicts is NULL:
            raise MemoryError
        self.verdicts = verdicts
        return 0

    # - one call

    def run(self, batch, result, clock, Py_ssize_t limit, decide):
        """Works off a batch, see `engine.process`. `decide(match, result)` says whether it was sent."""
        cdef Lane lane
        cdef int64_t reached
        if self.table.loaded:
            self.table.rebuild_timers()
        self.result, self.decide, self.partition = result, decide, batch.partition
        self.wall, self.by_event_time, self.budget = clock.wall(), clock.by_event_time, limit
        ended = batch.ended
        for lane in self.lanes:
            lane.ended = lane.name in ended
            lane.applied = lane.future = 0
            lane.position = -1
        for name, records in batch.records.items():
            lane = self.lane_by_name.get(name)
            if lane is None:
                # Its definition is gone; what is not taken is not committed, so nothing is lost.
                result.errors[(name, "unknown_source")] = len(records)
            else:
                lane.feed(records)
        while True:
            lane = self.next_lane()
            reached = self.watermark()
            self.fire_due(reached)
            if lane is None or self.budget <= 0:
                break
            self.apply(lane)
            lane.consume()
            self.budget -= 1
        result.more = lane is not None or self.table.is_due(reached)
        for lane in self.lanes:
            if lane.position >= 0:
                result.positions[lane.name] = lane.position
            if lane.applied:
                result.events[lane.name] = lane.applied
            if lane.future:
                result.errors[(lane.name, "future_time")] = lane.future
        result.watermark = reached if reached >= 0 else None
        result.next_deadline = self.table.next_deadline
        self.result = self.decide = None
        self.frame.event = self.frame.customer = None

    cdef Lane next_lane(self):
        """The source whose head comes next; None if there is none, or a source must be waited for."""
        cdef Lane lane, first = None
        cdef bint wait = False
        for lane in self.lanes:
            if not lane.ready and not lane.advance(self.result, self.wall):
                wait = wait or not lane.ended
            elif first is None or lane.time < first.time:
                first = lane
        return None if wait else first

    cdef int64_t watermark(self) except -2:
        """The time that the partition has reached; -1 where there is none yet. Heads must be decoded."""
        cdef Lane lane
        cdef int64_t lagging = NEVER, latest = -1, reached
        for lane in self.lanes:
            reached = lane.time if lane.ready and lane.time > lane.reached else lane.reached
            latest = max(latest, reached)
            if lane.ready or not lane.ended:
                lagging = min(lagging, reached)
        if lagging == NEVER:
            return latest if self.by_event_time else self.wall
        return lagging if self.by_event_time else min(lagging, self.wall)

    cdef int apply(self, Lane lane) except -1:
        """Applies the head of a source; timers that the watermark has passed have been fired."""
        cdef Customer customer
        cdef Plan plan = None
        cdef PyObject *found = PyDict_GetItemWithError(self.program.plans, lane.event_name)
        if found is not NULL:
            plan = <Plan> found
        if plan is not None or self.table.due != NEVER:     # else nothing can come of it
            customer = self.table.find(lane.customer)
            if customer is not None:
                if lane.offset <= customer.applied[lane.slot]:
                    self.result.repeats += 1
                    return 0
                if customer.instances:
                    self.fire_own(customer, lane.time)
            if plan is not None:
                self.match(lane, plan, customer)
        lane.applied += 1
        lane.future += lane.from_future
        return 0

    cdef int match(self, Lane lane, Plan plan, Customer customer) except -1:
        """Updates traits, closes instances, judges rules; records the offset if it fits any of them."""
        cdef bint fits = False
        cdef Update update
        cdef Candidate candidate
        cdef Frame frame = self.frame
        memset(self.verdicts, UNKNOWN, len(self.program.predicates))
        frame.event, frame.name, frame.customer, frame.at = lane.event, lane.event_name, customer, lane.time
        frame.time = lane.time
        for update in plan.updates:
            if (update.where < 0 or self.holds(update.where, lane)) and self.count_event(update, lane):
                fits = True
        if plan.closing:
            fits = self.close_waiting(plan, lane) or fits
        for candidate in plan.candidates:
            if candidate.where < 0 or self.holds(candidate.where, lane):
                fits = True
                if frame.customer is None:
                    frame.customer = self.table.ensure(lane.customer)
                if candidate.within >= 0 or self.is_met(candidate, frame, lane.name):
                    instance = self.instance_of(candidate, lane)
                    if candidate.within >= 0:
                        self.table.open(frame.customer, instance)
                    else:
                        self.settle(candidate, frame, instance, False)
        if fits:
            if frame.customer is None:
                frame.customer = self.table.ensure(lane.customer)
            frame.customer.applied[lane.slot] = lane.offset
            self.table.touch(frame.customer)
        return 0

    cdef Instance instance_of(self, Candidate candidate, Lane lane):
        cdef Instance instance = Instance.__new__(Instance)
        instance.rank, instance.open = candidate.rank, True
        instance.deadline = lane.time + max(candidate.within, 0)
        instance.time, instance.appended_at = lane.time, lane.appended_at
        instance.source, instance.name = lane.name, lane.event_name
        instance.id = lane.event_id(self.partition)
        instance.event = self.kept_event(candidate, lane) if candidate.within >= 0 else b""
        return instance

    cdef bytes kept_event(self, Candidate candidate, Lane lane):
        """The event as a waiting instance keeps it: only the fields that judging the rule can read."""
        if candidate.fields is not None:
            if not candidate.fields:
                return b"{}"
            try:
                return dumps({name: lane.event[name] for name in candidate.fields if name in lane.event})
            except orjson.JSONEncodeError:
                pass    # nested deeper than orjson writes, though it reads it: kept as it came
        return bytes(lane.record.value)

    cdef bint holds(self, int predicate, Lane lane) except -1:
        """Whether the event fits a predicate: judged at most once an event."""
        cdef int held = self.verdicts[predicate]
        if held == UNKNOWN:
            held = (<Node> self.program.predicates[predicate]).test(self.frame)
            if held < 0:
                self.complain(lane.name, "condition")
                held = 0
            self.verdicts[predicate] = held
        return held

    cdef bint count_event(self, Update update, Lane lane) except -1:
        """Updates a trait; False if the event lacks what the trait counts."""
        cdef object key = None, value = None
        cdef double amount = 1.0
        cdef PyObject *found
        if update.per is not None:
            found = reach(lane.event, update.per)
            key = ABSENT if found is NULL else key_of(<object> found)
            if key is ABSENT:
                return False
        if update.function != COUNT:
            found = reach(lane.event, update.field)
            if found is NULL:
                return False
            value = <object> found
            if update.function == LAST:
                if not is_scalar(value):
                    return False
            elif not is_number(value):
                return False
            else:
                amount = value
        if self.frame.customer is None:
            self.frame.customer = self.table.ensure(lane.customer)
        self.frame.customer.update(update.slot, key, lane.time, amount, value)
        return True

    cdef bint close_waiting(self, Plan plan, Lane lane) except -1:
        """Closes the instances that waited for this event; whether it fits any `unless`, open or not."""
        cdef Candidate candidate
        cdef Instance instance
        cdef bint fits = False
        if self.frame.customer is not None and self.frame.customer.instances:
            for instance in list(self.frame.customer.instances):
                if instance.rank in plan.closing_ranks:
                    candidate = self.program.candidates[instance.rank]
                    if candidate.unless_where < 0 or self.holds(candidate.unless_where, lane):
                        self.table.close(self.frame.customer, instance)
                        fits = True
        for candidate in plan.closing:
            if fits:
                break
            fits = candidate.unless_where < 0 or self.holds(candidate.unless_where, lane)
        return fits

    cdef bint is_met(self, Candidate candidate, Frame frame, str source) except -1:
        """Whether the rule's `if` holds."""
        cdef int held = 1
        if candidate.condition is not None:
            held = candidate.condition.test(frame)
            if held < 0:
                self.complain(source, "condition")
        return held == 1

    cdef int settle(self, Candidate candidate, Frame frame, Instance cause, bint timed) except -1:
        """Has a match judged, and enters it if it was sent."""
        cdef Match match = Match.__new__(Match)
        match.rule, match.customer_id, match.source = candidate.rule, frame.customer.id, cause.source
        match.event, match.event_name, match.event_id = frame.event, cause.name, cause.id
        match.event_time, match.appended_at = cause.time, cause.appended_at
        match.at, match.timed = frame.at, timed
        match.candidate, match.customer, match.trait_slots = candidate, frame.customer, self.program.traits
        if self.decide(match, self.result) and candidate.keep:
            frame.customer.sent(candidate.rank, frame.at, candidate.keep)
        return 0

    cdef int fire_due(self, int64_t before) except -1:
        """Fires the timers with a deadline before `before`, in order, as far as the budget goes."""
        while self.table.due < before and self.budget > 0:
            due = self.table.pop_due(before)
            if due is None:
                break
            self.fire(due[0], due[1])
            self.budget -= 1
        return 0

    cdef int fire_own(self, Customer customer, int64_t before) except -1:
        """Fires the customer's own timers with a deadline before `before`, in order."""
        cdef Instance instance, first
        while True:
            first = None
            for instance in customer.instances:
                if instance.deadline < before and (
                    first is None
                    or instance.deadline < first.deadline
                    or (instance.deadline == first.deadline and instance.rank < first.rank)
                ):
                    first = instance
            if first is None:
                return 0
            self.table.close(customer, first)
            self.fire(customer, first)

    cdef int fire(self, Customer customer, Instance instance) except -1:
        """Judges an instance, which has been closed, as of its deadline."""
        cdef Candidate candidate = self.program.candidates[instance.rank]
        cdef Frame frame = Frame.__new__(Frame)
        frame.event, frame.name, frame.customer, frame.at = (
            loads(instance.event), instance.name, customer, instance.deadline
        )
        frame.time = instance.time
        self.table.touch(customer)
        if self.is_met(candidate, frame, instance.source):
            self.settle(candidate, frame, instance, True)
        return 0

    cdef int complain(self, str source, str reason) except -1:
        """Counts what was odd."""
        cdef dict errors = self.result.errors
        key = (source, reason)
        errors[key] = errors.get(key, 0) + 1
        return 0
