# cython: autotestdict=False
"""The customers of a partition, and their timers.

Timers fire in the order of (deadline, rule slot, customer id, opening). The slots of rules are in the order
of priority and name, so equal deadlines fire in the order that the contract says. The heap (`_timers`) has
an entry for each customer with a timer, not for each timer: what a customer has due first is found in its
block. An entry may come too early, never too late:

    opened      pushes an entry if it comes before the customer's place (`timer`, `timer_rank`): its new one
    closed      changes nothing
    at the top  an entry that is not its customer's place is dropped; else what the customer has due first
                is looked up: the entry is right, or put back to there, or dropped if there is nothing

The timers are not stored: they are made anew from the customers' instances. An instance without a deadline
has no timer. A customer leaves the table only by `load`, which empties the heap until `rebuild_timers`.

New rules. `since` says from which generation of the rules on each part has been there without a break, so
that a customer that comes along later keeps just those parts that were never gone.

A changed customer is encoded when it is taken, not when it changes: ten changes are one record.

Cost: a look-up is one of `_byid`; opening or closing an instance under 0.5 us.
Tested by tests/unit/test_state.py and tests/unit/test_engine.py.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t

from stream._instances cimport HeadC, Instance, next_head, source_of
from stream._layout cimport Layout
from stream._packed cimport span
from stream._state cimport Customer, SendC, next_part, next_send
from stream._timers cimport TimerC, Timers

from stream._codec import decode, encode, know
from stream.errors import StateError

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef int MAX_CUSTOMER_ID = 256

cdef enum:     # places of the kinds in what `moves_of` gives
    SOURCES = 0
    TRAITS = 1
    RULES = 2
    COUNTERS = 3


@cython.final
@cython.auto_pickle(False)
cdef class Customers:
    """The customers of one partition and their timers. `state_bytes`: of all byte forms, as last seen."""

    def __cinit__(self, Layout layout not None):
        self.layout = layout
        self.since = {(kind, id): 0 for kind, slots in layout.slots().items() for id in slots}
        self.table = ById()
        self.moves = {}
        self.foreign = []
        self.changed = []
        self.heap = Timers()
        self.due = NEVER

    def __len__(self):
        return self.table.n

    @property
    def timers(self):
        """Instances that have a deadline."""
        return self.waiting

    @property
    def next_deadline(self):
        """The earliest deadline of an instance that waits, None without one."""
        self.settle()
        return self.due if self.due != NEVER else None

    def get(self, str id not None):
        """The customer, None if there is none; for tests and measurements."""
        return self.find(id)

    def load(self, bytes key not None, bytes value):
        """Takes one changelog record; a value of None deletes. StateError if either is corrupt."""
        cdef Customer customer, old
        try:
            id = key.decode()
        except UnicodeDecodeError:
            raise StateError("a key of the changelog is not UTF-8") from None
        if not 1 <= len(id) <= MAX_CUSTOMER_ID:
            raise StateError("a key of the changelog is no customer id")
        customer = decode(self.layout, id, value, self.generation) if value is not None else None
        self.heap.clear()
        self.due = NEVER
        self.loaded = True
        old = self.table.remove(id)
        if old is not None:
            self.state_bytes -= old.size
        if customer is not None:
            self.state_bytes += customer.size
            self.table.put(customer)
            if customer.rare.foreign is not None:
                self.foreign.append(customer)

    def rebuild_timers(self):
        """Makes the timers anew from the customers, after `load`."""
        cdef Customer customer
        cdef Py_ssize_t at
        self.loaded = False
        for at in range(self.table.room):
            customer = self.table.at(at)
            if customer is not None:
                self.move(customer)
        self.heap.clear()
        self.waiting = 0
        for at in range(self.table.room):
            customer = self.table.at(at)
            if customer is not None:
                self.enter(customer, None)
        self.heap.order()
        self.due = self.heap.heap[0].deadline if self.heap.n else NEVER

    cdef int enter(self, Customer customer, list ranks) except -1:
        """Enters a customer's timers, in no order, by their rules' slots or by what `ranks` has for them."""
        cdef HeadC head
        cdef const uint8_t *at = <const uint8_t *> customer.applied + customer.instances_at
        cdef int rank
        customer.timer = NEVER
        while at != <const uint8_t *> customer.applied + customer.sends_at:
            next_head(&at, customer.base, &head)
            rank = head.rank if ranks is None else ranks[head.rank]
            if head.deadline == NEVER or rank < 0:
                continue
            self.waiting += 1
            if comes_before(head.deadline, rank, customer):
                customer.timer, customer.timer_rank = head.deadline, rank
        if customer.timer != NEVER:
            self.heap.put(customer.timer, customer.timer_rank, customer)
        return 0

    def take_changed(self):
        """(key, byte form as of now) of each customer that changed since the last call."""
        cdef Customer customer
        taken = []
        for customer in self.changed:
            if self.table.find(customer.id) is not customer:
                continue    # loaded anew since
            self.move(customer)
            value = encode(customer)
            customer.changed = False
            self.state_bytes += len(value) - customer.size
            customer.size = len(value)
            taken.append((customer.id.encode(), value))
        self.changed = []
        return taken

    def adopt(self, Layout layout not None):
        """Goes over to the layout of other rules; customers follow one by one."""
        cdef Customer customer
        cdef Timers heap = self.heap
        cdef Py_ssize_t at
        if self.loaded:
            self.rebuild_timers()
        self.generation += 1
        self.layout = layout
        slots = layout.slots()
        self.since = {
            (kind, id): self.since.get((kind, id), self.generation) for kind in slots for id in slots[kind]
        }
        self.moves = {}
        self.heap, self.waiting = Timers(), 0
        with_timers = []
        for at in range(heap.n):
            customer = <Customer> heap.heap[at].customer
            if is_place(&heap.heap[at]):
                customer.timer = NEVER          # so that it is taken once
                with_timers.append(customer)
        for customer in with_timers:
            self.enter(customer, self.moves_of(customer)[RULES])
        self.heap.order()
        self.due = self.heap.heap[0].deadline if self.heap.n else NEVER
        strangers, self.foreign = self.foreign, []
        for customer in strangers:
            if self.table.find(customer.id) is customer:
                self.move(customer)

    cdef list slots_from(self, str kind, tuple ids, Layout layout, int generation):
        """For each of the ids: its slot in `layout`, -1 where what it had at `generation` is dropped."""
        cdef dict slots = layout.slots()[kind]
        return [slots.get(id, -1) if self.since.get((kind, id), NEVER) <= generation else -1 for id in ids]

    cdef tuple moves_of(self, Customer customer):
        """For each kind of part: by slot of the customer's layout that in the present one, or -1."""
        cdef Layout old = customer.layout
        if customer.generation not in self.moves:
            self.moves[customer.generation] = tuple([
                self.slots_from(kind, ids, self.layout, customer.generation)
                for kind, ids in (
                    ("source", old.sources), ("trait", old.traits),
                    ("rule", old.rules), ("counter", old.counters),
                )
            ])
        return <tuple> self.moves[customer.generation]

    cdef int move(self, Customer customer) except -1:
        """Brings a customer to the present layout."""
        cdef Customer moved
        if customer.generation == self.generation:
            return 0
        moved = Customer(customer.id, self.layout)
        moved.base = customer.base
        copy_parts(customer, moved, self.moves_of(customer))
        customer.applied, moved.applied = moved.applied, customer.applied
        customer.traits_at, customer.instances_at, customer.sends_at = (
            moved.traits_at, moved.instances_at, moved.sends_at
        )
        customer.end, customer.room, customer.opened = moved.end, moved.room, moved.opened
        customer.layout, customer.generation = self.layout, self.generation
        if customer.rare.foreign is not None:
            self.get_to_know(customer)
        return 0

    cdef int get_to_know(self, Customer customer) except -1:
        """Reads those parts of the customer that the rules know by now."""
        cdef HeadC head
        cdef const uint8_t *at
        cdef uint32_t before = customer.opened
        know(customer)
        at = <const uint8_t *> customer.applied + customer.instances_at
        while at != <const uint8_t *> customer.applied + customer.sends_at:
            next_head(&at, customer.base, &head)
            if head.sequence > before:
                self.schedule(customer, head.deadline, head.rank)
        return 0

    cdef Customer find(self, str id):
        """The customer, or None."""
        cdef Customer customer = self.table.find(id)
        if customer is not None:
            self.move(customer)
        return customer

    cdef Customer ensure(self, str id):
        cdef Customer customer = self.find(id)
        if customer is None:
            customer = Customer(id, self.layout, self.generation)
            self.table.put(customer)
        return customer

    cdef int touch(self, Customer customer) except -1:
        """Says that the customer changed."""
        if not customer.changed:
            customer.changed = True
            self.changed.append(customer)
        return 0

    cdef int open(self, Customer customer, Instance instance) except -1:
        """Enters an instance, with its timer if it has a deadline; one that was open, in its old place."""
        customer.insert(instance)
        return self.schedule(customer, instance.deadline, instance.rank)

    cdef int schedule(self, Customer customer, int64_t deadline, int rank) except -1:
        if deadline == NEVER:
            return 0
        self.waiting += 1
        if comes_before(deadline, rank, customer):
            customer.timer, customer.timer_rank = deadline, rank
            self.heap.push(deadline, rank, customer)
            self.due = min(self.due, deadline)
        return 0

    cdef int close(self, Customer customer, Instance instance) except -1:
        customer.remove(instance)
        self.waiting -= instance.deadline != NEVER
        return 0

    cdef int replace(self, Customer customer, Instance instance, Instance by) except -1:
        """Puts an instance in the place of another, which is closed."""
        customer.replace(instance, by)
        self.waiting -= instance.deadline != NEVER
        return self.schedule(customer, by.deadline, by.rank)

    cdef tuple pop_due(self, int64_t before):
        """(customer, instance) of the first timer before `before`, taken out; or None."""
        cdef Customer customer
        self.settle()
        if self.due >= before:
            return None
        customer = <Customer> self.heap.heap[0].customer
        return customer, self.pop_own(customer, before)

    cdef Instance pop_own(self, Customer customer, int64_t before):
        """The customer's first timer before `before`, taken out; or None."""
        cdef HeadC head
        cdef Instance instance
        if not customer.first_timer(&head) or head.deadline >= before:
            return None
        instance = customer.at_head(&head)
        self.close(customer, instance)
        return instance

    cdef bint is_due(self, int64_t before) except -1:
        """Whether a timer has a deadline before `before`."""
        if self.due < before:
            self.settle()
        return self.due < before

    cdef int settle(self) except -1:
        """Makes the first entry of the heap true."""
        cdef Customer customer
        cdef HeadC head
        while self.heap.n:
            customer = <Customer> self.heap.heap[0].customer
            self.move(customer)         # which may push
            if self.heap.heap[0].customer is not <void *> customer:
                continue
            if not is_place(&self.heap.heap[0]):
                self.heap.pop()
            elif not customer.first_timer(&head):
                customer.timer = NEVER
                self.heap.pop()
            elif head.deadline != customer.timer or head.rank != customer.timer_rank:
                customer.timer, customer.timer_rank = head.deadline, head.rank
                self.heap.put_back(head.deadline, head.rank)
            else:
                break
        self.due = self.heap.heap[0].deadline if self.heap.n else NEVER
        return 0


cdef bint comes_before(int64_t deadline, int rank, Customer customer) noexcept:
    """Whether a timer comes before its customer's place."""
    return deadline < customer.timer or (deadline == customer.timer and rank < customer.timer_rank)


cdef bint is_place(const TimerC *timer) noexcept:
    """Whether an entry of the heap is its customer's place."""
    cdef Customer customer = <Customer> timer.customer
    return timer.deadline == customer.timer and timer.rank == customer.timer_rank


cdef int copy_parts(Customer one, Customer to, tuple moves) except -1:
    """Copies the parts of a customer that another layout has, too."""
    cdef list slots
    cdef const uint8_t *at = <const uint8_t *> one.applied + one.traits_at
    cdef HeadC head
    cdef SendC send
    cdef int slot
    cdef uint32_t size
    slots = moves[SOURCES]
    for slot in range(one.layout.n_sources):
        if <int> slots[slot] >= 0:
            to.applied[<int> slots[slot]] = one.applied[slot]
    slots = moves[TRAITS]
    while at != <const uint8_t *> one.applied + one.instances_at:
        next_part(&at, &slot, &size)
        if <int> slots[slot] >= 0:
            to.put_trait(slots[slot], at, size, False)
        at += size
    slots = moves[RULES]
    while at != <const uint8_t *> one.applied + one.sends_at:
        next_head(&at, one.base, &head)
        if <int> slots[head.rank] >= 0:
            source = source_of(&head, one.layout.sources)
            to.append_waiting(slots[head.rank], source, head.tail, span(head.tail, head.end))
    slots = moves[COUNTERS]
    while at != <const uint8_t *> one.applied + one.end:
        next_send(&at, &send)
        if <int> slots[send.slot] >= 0:
            to.put_new_send(slots[send.slot], send.times, span(send.times, send.end), send.several, False)
    return 0
