"""Rules that a clock starts: when each is due for a customer (`occasions`) is an instance of the customer's.

    rank, step      of the rule, and 1: what it waits for is its time only
    id, deadline    the day by which the next time is called, and that time; without one: "" and NEVER
    name            the last day on which it fired; "": it has not. So no day comes twice, whatever changes
    time            the deadline; source "", one event that says nothing

So it is durable, moved and written as any timer. When it has fired the next one is opened, or one without a
deadline, which remembers the day. It is set when a customer becomes known, and looked at again with each
profile. That it is right is seen from it alone: it is the next time after the moment before its deadline.

New rules. `set_for` says for which rules all customers' clocks are set; it is durable, with how far the
sources are. If the rules at hand are others, all customers are gone through once, a slice of them a call, as
of the time at which that began: first those in memory, of whom none is evicted meanwhile, then those that
are on disk by then. Whoever is touched before it is their turn is set then, as of that time, so the result
does not depend on the slices. After a crash it begins again. A rule that has gone takes its instances along,
as any.

Cost: 5 µs a customer and rule, 1 where others are due at the same time.
Tested by tests/engine/test_clocks.py and the reference model.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.events._times cimport NEVER
from stream.events._value cimport ABSENT
from stream.matcher._match cimport Shared
from stream.matcher._program cimport Program, RulePlan
from stream.state._customer cimport EVICTED, Customer
from stream.state._customers cimport Customers
from stream.state._instances cimport Instance

from stream.decisions.calendar import zone_of
from stream.decisions.occasions import NoDateError, next_after

cdef enum:
    SET = 20        # of work, see `_fastmatch.MAX_WORK`: a customer
    PLACES = 20     # of the table that are passed for 1
cdef dict NOTHING = {}      # attributes of who has none; never written to


@cython.final
cdef class Clocks:
    def __cinit__(self, Shared shared not None, Customers customers not None):
        self.shared, self.customers = shared, customers
        self.since = -1

    cdef int adopt(self, Program program) except -1:
        """Goes over to other rules; the customers may have to be gone through for them."""
        cdef RulePlan rule
        cdef Program old = self.program
        self.program = program
        self.ranks = {rule.rank: rule for rule in program.clocks}
        profiles = [source.name for source in program.rules.sources if source.kind == "profile"]
        self.source = profiles[0] if profiles else ""
        all_set = not program.clocks or (
            old is not None
            and self.set_for == old.clock_mark
            and old.rules.policy.timezone == program.rules.policy.timezone
            and stable_ids(program) <= stable_ids(old)
        )
        # What was set is gone with its rule: it is not there again when the rule comes back.
        self.set_for = program.clock_mark if all_set else 0
        if not self.is_behind():
            self.since, self.keys, self.customers.staying = -1, None, False
        return 0

    cdef bint is_behind(self) noexcept:
        """Whether the clocks of some customers are to be set."""
        return self.set_for != self.program.clock_mark

    cdef int set_all(self, Customer customer, int64_t after, str source, dict said) except -1:
        """Sets the clocks of a customer, as of `after`. An attribute that cannot be read counts for `source`,
        if it is among `said`; None: all are.
        """
        cdef RulePlan rule
        cdef Instance held
        cdef dict there = {}, changes = {}
        cdef list new = []
        cdef object found
        where = zone_of(attributes_of(customer), self.program.rules.policy)
        for held in customer.waiting(self.ranks):
            if held.since < 0:
                there[held.rank] = held
        for rule in self.program.clocks:
            held = there.get(rule.rank)
            try:
                found = None if where is None else self.next_of(rule, customer, where, held, after)
            except NoDateError:
                found = None
                if said is None or rule.occasion.of[0] in said:
                    self.shared.complain(source, "date")
            if held is None:
                if found is not None:
                    new.append(clock_of(rule, found, ""))
            elif found is None:
                if held.deadline != NEVER:
                    changes[held.sequence] = clock_of(rule, None, held.name) if held.name else None
            elif found != (held.id, held.deadline):
                changes[held.sequence] = clock_of(rule, found, held.name)
        if changes:
            self.customers.change(customer, changes)
        for held in new:
            self.customers.open(customer, held)
        customer.armed = self.sweep
        if changes or new:
            self.customers.touch(customer)
        return 0

    cdef object next_of(self, RulePlan rule, Customer customer, object where, Instance held, int64_t after):
        """The next time of a rule, which may be the one that is `held`; None without one."""
        cdef str fired = "" if held is None else held.name
        attributes = attributes_of(customer)
        if held is not None and held.deadline != NEVER:
            found = next_after(rule.occasion, attributes, where, held.deadline - 1, fired)
            if found == (held.id, held.deadline):
                return found
        return next_after(rule.occasion, attributes, where, after, fired)

    cdef int set_next(self, RulePlan rule, Customer customer, str day, int64_t after) except -1:
        """Sets the clock of a rule that has fired on a day."""
        cdef object found = None
        attributes = attributes_of(customer)
        where = zone_of(attributes, self.program.rules.policy)
        if where is not None:
            try:
                found = next_after(rule.occasion, attributes, where, after, day)
            except NoDateError:
                pass        # counted when it was said
        return self.customers.open(customer, clock_of(rule, found, day))

    # - new rules

    cdef int begin(self, int64_t now) except -1:
        """Begins to go through all customers, as of now."""
        self.setting_for, self.since, self.keys = self.program.clock_mark, now, None
        self.sweep += 1
        self.room = 0
        self.customers.staying = True
        return 0

    cdef int catch_up(self, Customer customer) except -1:
        """Sets the clocks of a customer who is touched before it is their turn."""
        if self.since >= 0 and self.setting_for == self.program.clock_mark and customer.armed != self.sweep:
            self.set_all(customer, self.since, self.source, None)
        return 0

    cdef int64_t go_on(self, int64_t now, int64_t work) except -1:
        """Goes through customers until that has taken `work`; what it has taken."""
        cdef Customer customer
        cdef int64_t left = work
        if self.since < 0 or self.setting_for != self.program.clock_mark:
            self.begin(now)
        while left > 0:
            customer = self.next_customer(&left)
            if customer is None:
                if left > 0:
                    self.set_for, self.since, self.keys = self.program.clock_mark, -1, None
                break
            self.catch_up(customer)
            left -= SET
        return work - left

    cdef Customer next_customer(self, int64_t *left):
        """Whoever is next; None if `left` is used up, or there is nobody."""
        cdef Customer customer
        if self.keys is None:
            if self.room != self.customers.table.room:      # it has grown: everybody has another place
                self.place, self.room = 0, self.customers.table.room
            while self.place < self.room and left[0] > 0:
                customer = self.customers.table.at(self.place)
                self.place += 1
                left[0] -= self.place % PLACES == 0
                if customer is not None and customer.generation != EVICTED and customer.armed != self.sweep:
                    self.customers.move(customer)
                    return customer
            if self.place < self.room:
                return None
            self.customers.staying = False
            self.keys = iter(()) if self.customers.store is None else self.customers.store.each_key()
        for key in self.keys:
            customer = self.customers.find(key.decode()) if key else None
            if customer is not None:
                return customer
        return None


cdef Instance clock_of(RulePlan rule, object found, str fired):
    """The instance that says when a rule is due next; None: it only remembers when it was."""
    cdef Instance clock = Instance.__new__(Instance)
    clock.rank, clock.step, clock.since, clock.key = rule.rank, 1, -1, ABSENT
    clock.source, clock.name, clock.events = "", fired, [b"{}"]
    clock.id, clock.deadline = ("", NEVER) if found is None else found
    clock.time = clock.appended_at = 0 if found is None else clock.deadline
    return clock


cdef dict attributes_of(Customer customer):
    return NOTHING if customer.rare.attributes is None else customer.rare.attributes


cdef set stable_ids(Program program):
    cdef RulePlan rule
    return {program.layout.rules[rule.rank] for rule in program.clocks}
