"""What is done with an event: merge, traits, waiting instances, rules, timers. One call works off a batch.

    records ─► SourceQueue (`_source`, one a source): the head is decoded, the rest waits as it came
                 │  the earliest head, once every source has one or is known to be at its end
                 ▼
    apply      1 timers that are due before the event       heap of the partition, `_customers`
               2 leave out what the customer has had        applied offset by source; with `dedupe`, the ids
               3 of a profile: attributes and consents      `_profile`, and nothing else
                 of a context: the record as it came        the same
               4 traits of the event's name                 Plan.updates: cleared, then counted
               5 instances that wait for it                 Plan.later: closed, or one step further; what
                                                            quiet hours put off is closed, with a decision
               6 rules of the event's name, and those that 5 completed, by priority and name
                   first step held ─► opens an instance, or `if` held ─► a Match ─► decide (decisions)

The plan for each event name is in the `Program` (`_program`). Each distinct predicate is judged at most once
an event (`verdicts`).

Once. A record is left out if the customer has had it or a later one of the same source. An event that
fits the `on` and `where` of a trait, of a step or of an `unless` records its offset, even where it changed
nothing: read again later, it would close an instance that another source opened since. What fits nothing
is not recorded: it does nothing however often it is read, because whether it fits depends on the event
alone. (A condition that names earlier steps' events counts as fitting.) What the index of a plan leaves out
(`_index`) did not fit.

Watermark. `SourceQueue.reached` is the largest event time applied; with the head's time, it is what a source
has reached. It is kept in the changelog under the empty key, because what has been fired by it must have been
fired before the same events after a restart, too. On the clock of the events the watermark never goes back:
not either where a source that had been read to its end is read again (`floor`, under the empty name).

Work. A call ends with the event, timer or dead letter that passes what it may cost. Reading counts
(`Event.work`), conditions and texts (their steps), matches, and what is passed and moved of a customer's
block (`meter`). Instances change in one pass an event, `Customers.change`: one by one, those behind each
would be moved as often.

Cost: 500 rules, 200-byte events: 2 µs an event, and a few more for each match that is decided.
Tested by tests/engine/test_process.py and the reference model.
Longer than 450 lines, because the loop is one class: a match is in `_match`, the merge of sources in
`_source`, the customers are in `state`.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t

from stream.decisions._clocks cimport Clocks
from stream.decisions._decide cimport Decider
from stream.events._event cimport Event
from stream.events._times cimport NEVER
from stream.events._value cimport (
    ABSENT, KIND_MISSING, KIND_NESTED, KIND_NIL, KIND_TEXT, ValueC, as_double, object_of, value_of,
)
from stream.events._yyjson cimport (
    YYJSON_TYPE_OBJ,
    yyjson_arr_iter,
    yyjson_arr_iter_init,
    yyjson_arr_iter_next,
    yyjson_get_type,
    yyjson_obj_size,
    yyjson_val,
)
from stream.matcher._condition cimport Names
from stream.matcher._explain cimport Explainer
from stream.matcher._failure cimport why_failed
from stream.matcher._frame cimport Frame, Node
from stream.matcher._match cimport Match, Shared
from stream.matcher._program cimport (
    AGAIN_KEEP,
    AGAIN_RESTART,
    CLEARS,
    MAX_ITEMS,
    MOST_FIELDS,
    MOST_READ,
    REMOVES,
    TAKES_FIELDS,
    TAKES_KEY,
    TAKES_NOTHING,
    TAKES_NUMBER,
    Plan,
    Program,
    RulePlan,
    StepPlan,
    Update,
    program_of,
)
from stream.matcher._source cimport SourceQueue, SourceQueues
from stream.state._customer cimport MAX_INSTANCES, Customer
from stream.state._customers cimport Customers
from stream.state._instances cimport MAX_KEPT, HeadC, Instance, without_largest
from stream.state._packed cimport MAX_SCALAR, at_scalar, is_kept, is_key, meter
from stream.state._profile cimport Profile
from stream.state._seen cimport has_had, remember
from stream.state._windows cimport nothing_of

import orjson

from stream.errors import StateError
from stream.rules import field_paths
from stream.state._codec import decode_reached, encode_reached, note_switches, switches_in
from stream.structs import OpenInstance, Switches

# What one call may cost to hold its caller for milliseconds, however large or dear the events are: about a
# microsecond each. The event that passes it is the last of the call.
MAX_WORK = 20_000

cdef enum:
    BYTES = 100             # of JSON that are made objects of, or the other way round, for 1
    CUT = 20                # of JSON of which the largest fields are left out, for 1
    EFFORT = 10_000         # of `meter.effort` that are taken for 1: what a customer's state takes
    ELEMENT = 200           # of `meter.effort`: a field of an element of an event's list
    STEPS = 5               # of conditions (`cel.cost`) that are taken for 1
    TEXT_STEP = 2           # of texts, each
    MATCH_WORK = 50         # guards, decision, text and record of a match
    CLOCK_SHARE = 4         # of the work of a call, for rules that a clock starts: a part of so many
cdef object loads = orjson.loads
cdef object dumps = orjson.dumps
cdef dict NOTHING_SAID = {}         # attributes that an event says
cdef bytes NOTHING_REACHED = encode_reached({})
cdef str CLOCKS = "@clocks"     # no source's name: for which rules all customers' clocks are set


@cython.final
cdef class PartitionState:
    """All that the engine remembers of one partition: customers, timers, what is at hand, how far it is.

    One owner, one thread. `load` fills it, `stream.engine.process` moves it on, `take_changed` gives out
    what changed. What it knows of each customer is in `customers`.
    """

    def __cinit__(self, rules):
        self.rules = rules
        self.program = program_of(rules)
        self.customers = Customers(self.program.layout)
        self.queues = SourceQueues()
        self.frame, self.timer_frame = Frame(), Frame()
        self.kept, self.gone = {}, {}
        self.shared = Shared(self.customers)
        self.known = Switches()
        self.clocks = Clocks(self.shared, self.customers)
        self.marks = b""
        self.link()

    def __dealloc__(self):
        PyMem_Free(self.verdicts)
        PyMem_Free(self.hits)
        PyMem_Free(self.begun)

    @property
    def pending(self):
        """Records that are at hand but not applied."""
        return self.queues.at_hand()

    @property
    def prior_decisions(self):
        """(trigger id, at): what was decided of it before a crash, see `Match.prior_decision`."""
        return self.shared.prior_decisions

    @prior_decisions.setter
    def prior_decisions(self, dict decisions not None):
        self.shared.prior_decisions = decisions

    @property
    def prior_sends(self):
        """(customer, counter): ascending times, see `Match.prior_sends`."""
        return self.shared.prior_sends

    @prior_sends.setter
    def prior_sends(self, dict sends not None):
        self.shared.prior_sends = sends

    @property
    def switches(self):
        """`structs.Switches`: which rules are off; given out with how far the sources have come."""
        return self.known

    @switches.setter
    def switches(self, switches not None):
        self.known = switches
        self.shared.off = dict(switches.off)

    def trait(self, str customer_id not None, str name not None, int64_t at, key=None):
        """A trait's value as of `at`; ABSENT if it has none. With `per` that at `key`, or all without a key.

        For tests and tools.
        """
        slot, function, per = self.program.traits[name]
        cdef Customer customer = self.customers.find(customer_id)
        cdef ValueC of
        if customer is None:
            return {} if per and key is None else nothing_of(function)
        if per and key is None:
            return customer.read_all(slot, at)
        value_of(key, &of)
        return customer.value(slot, &of if per else NULL, at)

    def instances(self, str customer_id not None):
        """The `OpenInstance`s of a customer, oldest first. For tests and tools."""
        cdef Customer customer = self.customers.find(customer_id)
        cdef RulePlan rule
        cdef HeadC head
        cdef const uint8_t *at
        found = []
        if customer is not None:
            at = <const uint8_t *> customer.applied + customer.instances_at
            while customer.next_waiting(&at, &head):
                rule = self.program.by_rank[head.rank]
                if rule.occasion is not None and head.deadline == NEVER:
                    continue        # it only remembers when it was due last
                key = customer.at_head(&head).key
                found.append(OpenInstance(
                    rule.definition.name, head.step, len(rule.steps), None if key is ABSENT else key,
                    None if head.deadline == NEVER else head.deadline, head.since >= 0,
                ))
        return found

    def segments(self, str customer_id not None, int64_t at):
        """The names of the segments that a customer is in as of `at`; one with an error does not hold."""
        cdef Frame frame = self.frame
        frame.refill()
        frame.see(None, {})
        frame.customer, frame.name, frame.time, frame.at = self.customers.find(customer_id), "", at, at
        frame.begin()
        found = [name for name, slot in self.program.segments.items() if frame.judge(slot) == 1]
        frame.customer, frame.failed_segments = None, []
        frame.see(None, None)
        return found

    @property
    def partitions(self):
        """How many each source has: where that is known, some records' customers are compared with it."""
        return self.queues.partitions

    @partitions.setter
    def partitions(self, int partitions):
        self.queues.partitions = partitions

    # - to and from the changelog

    def load(self, bytes key not None, bytes value):
        """Takes one record of the changelog: the latest of a key counts; a value of None deletes.

        The empty key holds how far the sources have come, and which rules are off. StateError if the record
        is corrupt, or its version unknown.
        """
        if key:
            self.customers.load(key, value)
            return
        reached, self.marks = decode_reached(value) if value is not None else ({}, b"")
        self.switches = switches_in(reached)
        self.queues.set_reached(reached)
        self.clocks.set_for = reached.get(CLOCKS, 0) if self.program.clocks else 0
        self.reached_given = value

    def load_all(self, records not None):
        """Takes records of the changelog, see `load`; the StateError of a bad one says its offset."""
        for record in records:
            try:
                self.load(record.key, record.value)
            except StateError as error:
                raise StateError(f"offset {record.offset}: {error.message}", hint=error.hint) from error

    def take_changed(self):
        """(key, value) for the changelog of each customer that changed since the last call, as of now.

        After them, if anything moved, the record of how far the sources have come (the empty key): it must
        not be durable before the customers are. Empty if nothing changed.
        """
        changed = self.customers.take_changed()
        reached = self.queues.reached()
        if self.known.topic_id:
            note_switches(reached, self.known)
        if self.clocks.set_for:
            reached[CLOCKS] = self.clocks.set_for
        reached = encode_reached(reached, self.marks)
        if changed or reached != (self.reached_given or NOTHING_REACHED):
            changed.append((b"", reached))
            self.reached_given = reached
        return changed

    def rebase(self, str source not None, int64_t base):
        """From now on counts a source's offsets from `base`, which is beyond all that were applied of it.

        The topic was made anew: its offsets begin again, and must not be taken for those applied before.
        """
        (<SourceQueue> self.queues.by_name[source]).base = base

    def forget_pending(self):
        """Drops what is at hand but not applied: it will be read again."""
        self.queues.forget()

    # - rules

    def adopt(self, rules):
        """Goes over to another rule set: what belongs to unchanged stable ids is kept, the rest dropped."""
        self.program = program_of(rules)        # may raise: then nothing has changed
        self.rules = rules
        if self.explainer is not None:
            self.explain(self.explainer.customer, self.explainer.tell)
        self.customers.adopt(self.program.layout)
        self.link()

    cdef int link(self) except -1:
        """Makes everything fit the rules at hand."""
        cdef int64_t *verdicts
        cdef int *hits
        cdef int at
        self.shared.rules, self.shared.program = self.rules, self.program
        self.queues.link(self.rules, self.program)
        self.clocks.adopt(self.program)
        verdicts = <int64_t *> PyMem_Realloc(self.verdicts, max(self.program.verdicts, 1) * sizeof(int64_t))
        if verdicts is NULL:
            raise MemoryError
        self.verdicts = verdicts
        for at in range(self.program.verdicts):
            verdicts[at] = -1
        hits = <int *> PyMem_Realloc(self.hits, max(self.program.widest, 1) * sizeof(int))
        if hits is NULL:
            raise MemoryError
        self.hits = hits
        PyMem_Free(self.begun)
        self.begun = <BegunC *> PyMem_Calloc(max(len(self.program.by_rank), 1), sizeof(BegunC))
        if self.begun is NULL:
            raise MemoryError
        self.begun_epoch = 0
        self.frame.adopt(self.program.segment_nodes)
        self.timer_frame.adopt(self.program.segment_nodes)
        return 0

    def explain(self, str customer, tell=None):
        """From now on tells why rules fire or not for a customer, as `structs.Judgement`; None: no longer."""
        self.explainer = None if customer is None else Explainer(customer, tell, self.program)

    # - one call

    def run(
        self, batch, result, clock, Py_ssize_t limit, int64_t work, Decider decider not None, take=None
    ):
        """Works off a batch, see `engine.process`."""
        cdef SourceQueue queue
        cdef Frame frame
        cdef int64_t reached
        if self.customers.loaded:
            self.customers.rebuild_timers()
        self.result = self.shared.result = result
        self.decider, self.take = decider, take
        self.partition, self.budget = batch.partition, limit
        self.work = work
        meter.effort = 0
        self.queues.feed(batch, result, clock)
        self.is_behind = self.clocks.is_behind()
        self.clock_work = self.set_work = work if self.queues.by_event_time else work // CLOCK_SHARE
        while True:
            self.queues.left = self.work
            queue = self.queues.next_queue()
            self.work = self.queues.left
            self.reached = reached = self.queues.watermark()
            if self.is_behind and self.set_work > 0:
                self.set_clocks()
            if self.customers.due < reached:
                if queue is None:
                    self.clock_work = self.work
                self.fire_due(reached)
            if queue is None or self.budget <= 0 or self.work <= 0:
                break
            if self.apply(queue):
                self.work -= queue.event.work()
                queue.consume()
            self.pay()
            self.tell_crowded(queue.name)
            self.budget -= 1
        result.work = work - self.work
        result.more = queue is not None or self.queues.are_halted() or self.customers.is_due(reached)
        result.more = result.more or (self.is_behind and reached >= 0)
        self.queues.tell(result)
        result.watermark = reached if reached >= 0 else None
        result.next_deadline = self.customers.next_deadline
        self.result = self.shared.result = self.decider = self.take = None
        for frame in (self.frame, self.timer_frame):
            frame.see(None, None)
            frame.customer = frame.captured = None

    cdef int tell_crowded(self, str source) except -1:
        """Counts what had to make room in a customer, of whom an event of this source was at hand."""
        while self.customers.crowded:
            self.customers.crowded -= 1
            self.shared.complain(source, "evicted")
        return 0

    cdef int pay(self) except -1:
        """Counts as work what customers' states have taken."""
        self.work -= meter.effort // EFFORT
        meter.effort %= EFFORT
        return 0

    cdef bint apply(self, SourceQueue queue) except -1:
        """Applies the head of a source; timers that the watermark has passed have been fired.

        False if the customer's own timers before it were too many for this call: the next one goes on.
        """
        cdef Customer customer
        cdef Plan plan = queue.plan
        cdef bint is_event = queue.profile is None and queue.context is None
        # Without a plan nothing can come of an event.
        if plan is not None or not is_event or self.customers.due != NEVER:
            customer = self.customers.find_by(queue.id, queue.id_size)
            if customer is not None:
                if queue.offset <= customer.applied[queue.slot]:
                    self.result.repeats += 1
                    return True
                if self.is_behind:
                    self.clocks.catch_up(customer)
                if customer.timer < queue.place and not self.fire_own(customer, queue.place):
                    return False
            if queue.profile is not None:
                self.merge_profile(queue, customer)
            elif queue.context is not None:
                self.replace_context(queue, customer)
            elif plan is not None:
                if queue.dedupe >= 0 and customer is not None and self.leave_out(queue, customer):
                    return True
                self.match(queue, plan, customer)
        queue.applied += 1
        queue.future += queue.from_future
        return True

    cdef bint leave_out(self, SourceQueue queue, Customer customer) except -1:
        """Leaves an event out, for good, if the customer has had its id."""
        cdef str id = queue.mapped_id()
        if id is None or not has_had(customer, queue.name, id, queue.time, queue.dedupe):
            return False
        queue.left_out += 1
        if self.explainer is not None and self.explainer.customer == queue.customer():
            self.explainer.tell_repeat(queue.name, queue.plan.name, id, queue.time)
        customer.applied[queue.slot] = queue.offset
        self.customers.touch(customer)
        return True

    cdef int remember_id(self, SourceQueue queue, Customer customer) except -1:
        """Notes the event's id, by which others are left out."""
        cdef str id = queue.mapped_id()
        if id is not None and remember(customer, queue.name, id, queue.time, queue.dedupe):
            self.shared.complain(queue.name, "ids")
        return 0

    cdef int merge_profile(self, SourceQueue queue, Customer customer) except -1:
        """Takes over attributes and consents; a dead letter of what cannot be taken whole."""
        cdef Profile profile = queue.profile
        cdef int64_t now = self.queues.now(queue)
        cdef bint bounded = not self.queues.by_event_time
        if customer is None:
            if queue.gone:
                return 0        # whoever is not known has nothing to lose
            customer = self.customers.ensure(queue.customer())
        self.work -= 0 if queue.gone else len(profile.consents)
        if not profile.merge_into(customer, now, min(queue.appended_at, now), bounded):
            self.result.dead_letters.append(queue.dead_letter(queue.flaw or "profile"))
        elif profile.nowhere:
            self.shared.complain(queue.name, "timezone")
        if profile.unclear:
            self.shared.complain(queue.name, "unknown_consent")
        if self.program.clocks:
            said = profile.attributes if profile.attributes is not None else NOTHING_SAID
            self.clocks.set_all(customer, self.known_at(queue), queue.name, said)
        customer.applied[queue.slot] = queue.offset
        return self.customers.touch(customer)

    cdef int replace_context(self, SourceQueue queue, Customer customer) except -1:
        """Takes over what a source of `kind: context` says, in place of what it said before."""
        if customer is None:
            if queue.gone:
                return 0
            customer = self.customers.ensure(queue.customer())
            if self.program.clocks:
                self.clocks.set_all(customer, self.known_at(queue), queue.name, NOTHING_SAID)
        if queue.gone:
            if customer.rare.contexts is not None:
                customer.rare.contexts.pop(queue.name, None)
                customer.rare.contexts = customer.rare.contexts or None
        else:
            if customer.rare.contexts is None:
                customer.own().contexts = {}
            customer.rare.contexts[queue.name] = queue.context
        customer.applied[queue.slot] = queue.offset
        return self.customers.touch(customer)

    cdef int match(self, SourceQueue queue, Plan plan, Customer customer) except -1:
        """Updates traits, moves instances on, judges rules; records the offset if it fits any of them."""
        cdef bint fits = False
        cdef Update update
        cdef RulePlan rule
        cdef Instance instance
        cdef Frame frame = self.frame
        cdef list completed = None
        cdef Py_ssize_t done = 0
        cdef int at
        self.epoch += 1
        frame.refill()
        self.shared.begin(queue.offset - queue.base, queue.time)
        frame.see(queue.event, None)
        frame.name, frame.customer = plan.name, customer
        frame.time = frame.at = queue.time
        for at in range(plan.updates_of.find(queue.event.values, self.hits)):
            update = plan.updates[self.hits[at]]
            if (update.where < 0 or self.holds(update.where, queue)) and self.count_event(update, queue):
                fits = True
        frame.begin()
        if self.shared.groups:
            self.shared.groups.clear()
        if self.kept:
            self.kept.clear()
        if plan.later and frame.customer is not None and frame.customer.waits():
            completed = self.move_on(plan, queue)
        if plan.awaited:
            fits = fits or self.is_awaited(plan, queue)
        if self.explainer is not None and self.explainer.customer == queue.customer():
            self.explainer.tell_wheres(plan, frame)
        for at in range(plan.candidates_of.find(queue.event.values, self.hits)):
            rule = plan.candidates[self.hits[at]]
            while completed is not None and done < len(completed):
                instance = completed[done]
                if instance.rank > rule.rank:
                    break
                self.judge_completed(instance, queue)
                done += 1
            if (<StepPlan> rule.steps[0]).where < 0 or self.holds((<StepPlan> rule.steps[0]).where, queue):
                fits = True
                self.begin(rule, queue)
        if completed is not None:
            for instance in completed[done:]:
                self.judge_completed(instance, queue)
        if self.gone:
            self.customers.change(frame.customer, self.gone)
            self.gone.clear()
        if fits:
            if frame.customer is None:
                frame.customer = self.customers.ensure(queue.customer())
            frame.customer.applied[queue.slot] = queue.offset
            if queue.dedupe >= 0:
                self.remember_id(queue, frame.customer)
            if customer is None and self.program.clocks:
                self.clocks.set_all(frame.customer, self.known_at(queue), queue.name, NOTHING_SAID)
            self.customers.touch(frame.customer)
        return self.settle(frame)

    cdef int settle(self, Frame frame) except -1:
        """Counts as work what the conditions and texts of an event, or of a timer, have taken."""
        self.work -= frame.taken() // STEPS + TEXT_STEP * (self.shared.text_steps + self.shared.shadow_steps)
        return 0

    cdef list captured_of(self, Instance instance):
        """The events of its steps."""
        for event in instance.events:
            self.work -= 1 + len(event) // BYTES
        return [loads(event) for event in instance.events]

    cdef bint holds(self, int predicate, SourceQueue queue) except -1:
        """Whether the event fits a predicate: judged at most once an event."""
        cdef int held = 0
        if not is_known(self.verdicts[predicate], self.epoch, &held):
            held = (<Node> self.program.predicates[predicate]).test(self.frame)
            self.verdicts[predicate] = verdict_of(self.epoch, held)
            if held < 0:
                self.predicate_failed(predicate, queue)
        return held == 1

    cdef int predicate_failed(self, int predicate, SourceQueue queue) except -1:
        """Counts one error of the event, and one of each definition that asks this of such an event."""
        cdef Program program = self.program
        cdef tuple why = why_failed(program.rules.predicates[predicate], program.event_names, self.frame)
        for place, names in program.places[predicate]:
            if queue.plan.name in names:
                self.shared.note_failure(queue.name, place, why)
        return self.shared.complain(queue.name, "condition")

    cdef bint count_event(self, Update update, SourceQueue queue) except -1:
        """Updates a trait; False if the event lacks what the trait counts, or has what it cannot take."""
        if update.does == CLEARS:
            return self.frame.customer is None or self.frame.customer.clear_trait(update.slot) == 0
        if update.element is not None:
            return self.count_items(update, queue)
        return self.count_values(update, queue.event.values, queue)

    cdef bint count_items(self, Update update, SourceQueue queue) except -1:
        """The same for each element of a list in the event; whether any was of use."""
        cdef ValueC values[MOST_READ]
        cdef const ValueC *items = &queue.event.values[update.items]
        cdef yyjson_arr_iter iterator
        cdef yyjson_val *element
        cdef int count = 0
        cdef bint some = False
        if items.kind != KIND_NESTED or items.size:     # a map has one
            self.tell_no_key(update.place[0], "items", update.items_path, items, queue)
            return False
        yyjson_arr_iter_init(<yyjson_val *> items.of.nested, &iterator)
        while True:
            element = yyjson_arr_iter_next(&iterator)
            if element is NULL:
                return some
            if count == MAX_ITEMS:
                self.shared.condition_failed(queue.name, (update.place[0], "items"), ("cost", ""))
                return some
            count += 1
            update.element.clear(0, values)
            if yyjson_get_type(element) == YYJSON_TYPE_OBJ:
                meter.effort += ELEMENT * <int64_t> yyjson_obj_size(element)
                update.element.fill(element, 0, values)
            some = self.count_values(update, values, queue) or some

    cdef bint count_values(self, Update update, const ValueC *values, SourceQueue queue) except -1:
        """The same of an event's values, or of an element's."""
        cdef const ValueC *key = NULL
        cdef const ValueC *value = NULL
        cdef ValueC made
        cdef object _owner = None       # of the text of `made`, for as long as it is looked at
        cdef int64_t refused = self.frame.refused
        cdef double amount = 1.0
        if update.takes == TAKES_FIELDS:
            return self.list_event(update, values, queue)
        if update.per >= 0:
            key = &values[update.per]
            if not is_key(key):
                self.tell_no_key(update.place[0], "per", update.per_path, key, queue)
                return False
        if update.value is not None:
            value, _owner = &made, made_by(update.value, self.frame, &made)
        elif update.takes != TAKES_NOTHING:
            value = &values[update.field]
        if value is not NULL and not is_taken(update.takes, value, &amount):
            self.tell_not_taken(update, value, self.frame.refused != refused, queue)
            return False
        if self.frame.customer is None:
            self.frame.customer = self.customers.ensure(queue.customer())
        if self.frame.customer.update(update.slot, key, queue.time, amount, value):
            self.shared.complain(queue.name, "evicted")
        return True

    cdef bint list_event(self, Update update, const ValueC *values, SourceQueue queue) except -1:
        """Adds an element to a list, or takes one away; False if there is no key, or no field of it."""
        cdef ValueC fields[MOST_FIELDS]
        cdef ValueC key
        cdef const ValueC *value
        cdef int64_t left = MAX_SCALAR
        cdef int at
        cdef bint some = False
        key.kind, key.size = KIND_MISSING, 0
        if update.key >= 0:
            key = values[update.key]
            if not is_key(&key):
                self.tell_no_key(update.place[0], "key", update.key_path, &key, queue)
                return False
        if update.does == REMOVES:
            return self.frame.customer is None or self.frame.customer.remove(update.slot, &key) == 0
        for at in range(update.n_fields):
            value = &values[update.fields[at]]
            fields[at] = value[0]
            if is_kept(value) and (value.kind != KIND_TEXT or value.size <= left):
                left -= value.size if value.kind == KIND_TEXT else 0
                some = True
                continue
            fields[at].kind = KIND_MISSING
            self.tell_no_key(update.place[0], "fields", update.field_paths[at], value, queue)
        if not some:
            return False
        if self.frame.customer is None:
            self.frame.customer = self.customers.ensure(queue.customer())
        self.frame.customer.update(update.slot, &key, queue.time, 0.0, fields)
        return True

    cdef int tell_no_key(
        self, str definition, str part, tuple path, const ValueC *value, SourceQueue queue
    ) except -1:
        """Counts what is there and cannot be kept, or be a key, such as a list or a decimal."""
        if value.kind == KIND_MISSING or value.kind == KIND_NIL:
            return 0
        why = "value", field_paths.in_condition(path)
        return self.shared.condition_failed(queue.name, (definition, part), why)

    cdef int tell_not_taken(
        self, Update update, const ValueC *value, bint refused, SourceQueue queue
    ) except -1:
        """Counts what a trait cannot take; that a field is not there, or null, is as it should be."""
        cdef tuple why = ("value", update.read)
        if update.value is None:
            if value.kind == KIND_MISSING or value.kind == KIND_NIL:
                return 0
        elif refused:
            why = ("cost", "")
        elif value.kind == KIND_NIL:
            why = ("missing", update.read)
        elif value.kind == KIND_MISSING:
            why = why_failed(update.tree, self.program.event_names, self.frame)
        return self.shared.condition_failed(queue.name, update.place, why)

    # - instances

    cdef list move_on(self, Plan plan, SourceQueue queue):
        """Closes or advances the instances that the event fits; those that have to be judged now, by rank."""
        cdef Customer customer = self.frame.customer
        cdef RulePlan rule
        cdef Instance instance, further
        cdef StepPlan step
        cdef list completed = None, put_off = None
        cdef dict changes = {}
        for instance in customer.waiting(plan.later):
            rule = plan.later[instance.rank]
            if instance.step < len(rule.steps):
                step = rule.steps[instance.step]
                if self.fits(step, rule, instance, queue):
                    further = self.further(rule, instance, step, queue)
                    if further.step < len(rule.steps) or rule.timed:
                        changes[instance.sequence] = further
                    else:
                        changes[instance.sequence] = None
                        completed = completed or []
                        completed.append(further)
            elif rule.unless is not None and self.fits(rule.unless, rule, instance, queue):
                changes[instance.sequence] = None
                if instance.since >= 0:
                    put_off = put_off or []
                    put_off.append(instance)
        if changes:
            self.customers.change(customer, changes)
        if put_off is not None:
            for instance in sorted(put_off, key=rank_of):
                self.close_match(instance, queue)
        if completed is not None and len(completed) > 1:
            completed.sort(key=rank_of)
        return completed

    cdef bint fits(self, StepPlan step, RulePlan rule, Instance instance, SourceQueue queue) except -1:
        """Whether the event is the one that an instance waits for; of one put off, `within` has no say."""
        cdef int held
        if queue.plan.name not in step.names or (
            step.within >= 0 and instance.since < 0 and queue.time - instance.time > step.within
        ):
            return False
        if self.explainer is not None and self.explainer.customer == queue.customer():
            self.frame.captured = self.captured_of(instance)
            self.explainer.tell_step(rule, instance.step, self.frame)
        if step.where >= 0 and not self.holds(step.where, queue):
            return False
        if step.compares is None:
            return True
        self.frame.captured = self.captured_of(instance)
        held = step.compares.test(self.frame)
        if held < 0:
            at = instance.step
            last = at == len(rule.steps)
            tree = rule.definition.unless.compares if last else rule.definition.steps[at].compares
            place = (rule.definition.name, "unless" if last else f"step {at + 1}")
            self.shared.condition_failed(queue.name, place, why_failed(tree, rule.names, self.frame))
        return held == 1

    cdef bint is_awaited(self, Plan plan, SourceQueue queue) except -1:
        """Whether the event fits any later step or `unless`, open or not, or a goal that makes it known."""
        cdef int where
        cdef int at
        for at in range(plan.awaited_of.find(queue.event.values, self.hits)):
            where = plan.awaited[self.hits[at]]
            if where < 0 or self.holds(where, queue):
                return True
        return False

    cdef Instance further(self, RulePlan rule, Instance instance, StepPlan step, SourceQueue queue):
        """The instance after another step."""
        cdef Instance further = self.instance_of(rule, queue)
        further.step = instance.step + 1
        further.key, further.sequence = instance.key, instance.sequence
        further.events = [*instance.events, self.kept_event(step, queue)]
        self.set_deadline(rule, further, queue)
        return further

    cdef Instance instance_of(self, RulePlan rule, SourceQueue queue):
        cdef Instance instance = Instance.__new__(Instance)
        instance.rank, instance.step, instance.since, instance.key = rule.rank, 1, -1, ABSENT
        instance.time, instance.appended_at, instance.deadline = queue.time, queue.appended_at, NEVER
        instance.source, instance.name = queue.name, queue.plan.name
        instance.id = queue.event_id(self.partition)
        return instance

    cdef int set_deadline(self, RulePlan rule, Instance instance, SourceQueue queue) except -1:
        """When the next step must have come, or when the rule fires; and whether that is too long ago."""
        cdef StepPlan step
        if instance.step == len(rule.steps):
            instance.deadline = instance.time + rule.wait
            instance.late = (
                rule.stale_after >= 0 and self.queues.now(queue) - instance.deadline > rule.stale_after
            )
        else:
            step = rule.steps[instance.step]
            instance.deadline = NEVER if step.within < 0 else instance.time + step.within
        return 0

    cdef bytes kept_event(self, StepPlan step, SourceQueue queue):
        """The event as a waiting instance keeps it: only the fields that judging the rule can read."""
        cdef bytes kept
        cdef bint is_cut
        if step.fields is not None and not step.fields:
            return b"{}"
        if step.fields not in self.kept:
            self.kept[step.fields] = self.cut_event(step.fields, queue.event)
        kept, is_cut = self.kept[step.fields]
        if is_cut:
            self.shared.complain(queue.name, "evicted")
        return kept

    cdef tuple cut_event(self, tuple fields, Event record):
        """These fields of an event, None: all of them; and whether the largest ones had to be left out."""
        cdef bytes kept = record.raw()
        if fields is not None:
            try:
                event = record.whole()
                kept = dumps({name: event[name] for name in fields if name in event})
                self.work -= len(kept) // BYTES
            except orjson.JSONEncodeError:
                pass    # nested deeper than orjson writes, though it reads it: kept as it came
        if len(kept) <= MAX_KEPT:
            return kept, False
        self.work -= len(kept) // CUT
        return without_largest(kept), True

    cdef int look_through(self, ValueC *values) except -1:
        """Notes of each rule which instances the customer has, but for those that quiet hours put off.

        Once an event: to look through them for each rule would be quadratic.
        """
        cdef HeadC head
        cdef BegunC *of
        cdef int key
        cdef Customer customer = self.frame.customer
        cdef const uint8_t *at = <const uint8_t *> customer.applied + customer.instances_at
        self.begun_epoch = self.epoch
        while customer.next_waiting(&at, &head):
            if head.since >= 0:
                continue
            of = &self.begun[head.rank]
            if of.epoch != self.epoch:
                of.epoch, of.same, of.others = self.epoch, 0, 0
            key = (<RulePlan> self.program.by_rank[head.rank]).key
            if head.key is NULL if key < 0 else head.key is not NULL and at_scalar(head.key, &values[key]):
                of.same, of.step = head.sequence, head.step
            else:
                of.oldest = of.oldest if of.others else head.sequence
                of.others += 1
        return 0

    cdef int begin(self, RulePlan rule, SourceQueue queue) except -1:
        """The first step held: opens an instance, or has the rule judged at once."""
        cdef Instance instance
        cdef object key = ABSENT
        cdef const ValueC *value
        cdef Customer customer
        cdef BegunC *of
        if rule.key >= 0:
            key = object_of(&queue.event.values[rule.key])
            if not is_key(&queue.event.values[rule.key]):
                value = &queue.event.values[rule.key]
                return self.tell_no_key(rule.definition.name, "key", rule.definition.key, value, queue)
        if self.frame.customer is None:
            self.frame.customer = self.customers.ensure(queue.customer())
        customer = self.frame.customer
        if len(rule.steps) == 1 and not rule.timed:
            if rule.captures:
                self.frame.captured = [queue.event.whole()]
            if self.is_met(rule, self.frame, queue.name):
                instance = self.instance_of(rule, queue)
                instance.key = key
                self.set_deadline(rule, instance, queue)
                self.judge(self.frame, instance, queue.offset - queue.base)
            return 0
        if self.begun_epoch != self.epoch:
            self.look_through(queue.event.values)
        of = &self.begun[rule.rank]
        if of.epoch == self.epoch:
            if of.same:
                if rule.again == AGAIN_KEEP or (of.step > 1 and rule.again != AGAIN_RESTART):
                    return 0
                self.gone[of.same] = None
            if of.others >= MAX_INSTANCES:
                self.gone[of.oldest] = None
                self.shared.complain(queue.name, "instances")
        instance = self.instance_of(rule, queue)
        instance.key = key
        instance.events = [self.kept_event(rule.steps[0], queue)]
        self.set_deadline(rule, instance, queue)
        self.customers.open(customer, instance)
        return 0

    # - judging

    cdef bint is_met(self, RulePlan rule, Frame frame, str source) except -1:
        """Whether the rule's `if` holds."""
        cdef int held = 1
        cdef bint kept = rule.verdict >= 0 and frame is self.frame
        if self.explainer is not None and self.explainer.customer == frame.customer.id:
            self.explainer.tell_if(rule, frame)
        if rule.condition is None:
            return True
        if not (kept and is_known(self.verdicts[rule.verdict], self.epoch, &held)):
            held = rule.condition.test(frame)
            if kept:
                self.verdicts[rule.verdict] = verdict_of(self.epoch, held)
            self.count_segment_errors(rule, frame, source)
        if held < 0:
            why = why_failed(rule.definition.condition, rule.names, frame)
            self.shared.condition_failed(source, (rule.definition.name, "if"), why)
        return held == 1

    cdef int count_segment_errors(self, RulePlan rule, Frame frame, str source) except -1:
        """Counts segments that ended in an error when a rule asked for them first."""
        cdef Names names
        if not frame.failed_segments:
            return 0
        names = self.program.names_of(())
        failed, frame.failed_segments = frame.failed_segments, []
        for slot in failed:
            segment = self.program.rules.segments[slot]
            place = (rule.definition.name, f"segments.{segment.name}")
            self.shared.condition_failed(source, place, why_failed(segment.condition, names, frame))
        return 0

    cdef int judge_completed(self, Instance instance, SourceQueue queue) except -1:
        """Judges an instance that the event at hand has completed."""
        cdef RulePlan rule = self.program.by_rank[instance.rank]
        if rule.captures:
            self.frame.captured = self.captured_of(instance)
        if self.is_met(rule, self.frame, queue.name):
            self.judge(self.frame, instance, queue.offset - queue.base)
        return 0

    cdef int close_match(self, Instance instance, SourceQueue queue) except -1:
        """Has a match decided that quiet hours put off and that the event at hand has closed."""
        cdef Match match = self.match_of(instance, self.frame, queue.offset - queue.base)
        match.closed_by = queue.name
        return self.decide(match)

    cdef int decide(self, Match match) except -1:
        self.work -= MATCH_WORK
        return 0 if self.take is not None and self.take(match) else self.decider.decide(match)

    cdef int judge(self, Frame frame, Instance cause, int64_t offset) except -1:
        """Has a match decided. `offset`: of the record that caused it, -1 where a timer did."""
        self.decide(self.match_of(cause, frame, offset))
        return self.count_segment_errors(self.program.by_rank[cause.rank], frame, cause.source)

    cdef Match match_of(self, Instance cause, Frame frame, int64_t offset):
        cdef RulePlan rule = self.program.by_rank[cause.rank]
        cdef Match match = Match.__new__(Match)
        match.rule, match.customer_id, match.source = rule.definition, frame.customer.id, cause.source
        match.event_name, match.event_id = cause.name, cause.id
        match.event_time, match.appended_at = cause.time, cause.appended_at
        match.at, match.offset, match.timed = frame.at, offset, offset < 0
        match.cause, match.customer, match.frame, match.shared = cause, frame.customer, frame, self.shared
        return match

    # - clocks

    cdef int64_t known_at(self, SourceQueue queue) except -2:
        """How far time is: as of when a customer is known of whom the event at hand tells. None: without one.
        Before any time is known it is 0; -1 without an event.

        What is due before was never theirs, though what lags makes the watermark go back.
        """
        cdef SourceQueue each
        cdef int64_t at = self.reached if queue is None else max(self.reached, queue.place, 0)
        for each in self.queues.queues:
            at = max(at, each.reached)
        return at if self.queues.by_event_time else min(at, self.queues.wall)

    cdef int set_clocks(self) except -1:
        """Goes on setting the clocks of all customers for other rules."""
        cdef int64_t now = self.known_at(None)
        if now < 0:
            return 0
        self.work -= self.clocks.go_on(now, min(self.set_work, self.work))
        self.set_work = 0       # until the next call
        self.is_behind = self.clocks.is_behind()
        return 0

    cdef bint may_fire(self) except -1:
        """Whether the first timer may fire while events wait: no clock whose work of this call is used up.

        A million customers may be due at one moment. What is due for a customer fires before their next event
        all the same (`fire_own`).
        """
        cdef int rank
        if self.clock_work > 0 or not self.program.clocks:
            return True
        rank = self.customers.first_rank()
        return rank < 0 or (<RulePlan> self.program.by_rank[rank]).occasion is None

    cdef int fire_due(self, int64_t before) except -1:
        """Fires the timers with a deadline before `before`, in order, as far as budget and work go."""
        while self.customers.due < before and self.budget > 0 and self.work > 0 and self.may_fire():
            due = self.customers.pop_due(before)
            if due is None:
                break
            self.fire(due[0], due[1])
            self.pay()
            self.budget -= 1
        return 0

    cdef bint fire_own(self, Customer customer, int64_t before) except -1:
        """Fires the customer's own timers with a deadline before `before`, in order; False: some are left."""
        cdef Instance first = self.customers.pop_own(customer, before)
        cdef HeadC head
        while first is not None:
            self.fire(customer, first)
            self.pay()
            if self.work <= 0:
                return not customer.first_timer(&head) or head.deadline >= before
            first = self.customers.pop_own(customer, before)
        return True

    cdef int fire(self, Customer customer, Instance instance) except -1:
        """Judges an instance, which has been closed, as of its deadline; an unfinished sequence just ends."""
        cdef RulePlan rule = self.program.by_rank[instance.rank]
        cdef Frame frame = self.timer_frame
        cdef int64_t work = self.work
        self.work -= 1
        self.customers.touch(customer)
        self.tell_crowded(instance.source)
        if instance.step < len(rule.steps):
            return 0
        # What was put off was in time when it was first judged.
        instance.late = instance.since < 0 and instance.late or self.queues.is_overdue(
            instance.deadline, rule.stale_after
        )
        if rule.occasion is not None and instance.since < 0:
            # Of all times that are too late by now this one tells.
            since = max(instance.deadline, self.queues.overdue_since(rule.stale_after))
            self.clocks.set_next(rule, customer, instance.id, since)
            instance.name = ""
        frame.refill()
        self.shared.begin(-1, instance.deadline)
        self.work -= len(instance.events[instance.step - 1]) // BYTES
        frame.see(None, loads(instance.events[instance.step - 1]))
        frame.name = instance.name
        frame.customer, frame.time, frame.at = customer, instance.time, instance.deadline
        if rule.captures:
            frame.captured = self.captured_of(instance)
        frame.begin()
        if instance.since >= 0 or self.is_met(rule, frame, instance.source):
            self.judge(frame, instance, -1)
        self.settle(frame)
        if rule.occasion is not None:
            self.clock_work -= work - self.work
        return 0


cdef object made_by(Node node, Frame frame, ValueC *into):
    """Puts the value of a node `into`, KIND_MISSING for an error; what is returned owns its text."""
    cdef object value
    if node.read(frame, into):
        return None
    value = node.value(frame)
    if isinstance(value, int) and type(value) is not bool:
        value = int(value)      # an unsigned one
    value_of(value, into)
    return value


cdef bint is_taken(int takes, const ValueC *value, double *amount) noexcept:
    """Whether a function of traits can take a value; of a number also what it is."""
    if takes == TAKES_NUMBER:
        return as_double(value, amount) and isfinite(amount[0])
    return is_key(value) if takes == TAKES_KEY else is_kept(value)


def rank_of(Instance instance):
    """The order in which the candidates of one event are judged."""
    return instance.rank
