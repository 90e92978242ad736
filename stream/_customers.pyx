# cython: autotestdict=False
"""The customers of a partition, and their timers.

Timers are a heap of (deadline, rule slot, customer id, opening, entry, instance, customer). The slots of
rules are in the order of priority and name, so equal deadlines fire in the order that the contract says. An
instance that was closed or replaced stays in the heap, marked, until it comes up or such ones make up
half of the heap. The timers are not stored: they are made anew from the customers' instances. An instance
without a deadline has no timer.

New rules. `since` says from which generation of the rules on each part has been there without a break, so
that a customer that comes along later keeps just those parts that were never gone.

A changed customer is encoded when it is taken, not when it changes: ten changes are one record.

Cost: a look-up is one of a dict; opening or closing an instance under 1 µs.
Tested by tests/unit/test_state.py and tests/unit/test_engine.py.
"""

cimport cython
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from stream._state cimport Customer, Instance, Layout

from heapq import heapify, heappop, heappush

from stream._codec import decode, encode, know
from stream.errors import StateError

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef int MAX_CUSTOMER_ID = 256


@cython.final
@cython.auto_pickle(False)
cdef class Customers:
    """The customers of one partition and their timers. `state_bytes`: of all byte forms, as last seen."""

    def __cinit__(self, Layout layout not None):
        self.layout = layout
        self.since = {(kind, id): 0 for kind, slots in layout.slots().items() for id in slots}
        self.table = {}
        self.moves = {}
        self.foreign = []
        self.changed = []
        self.heap = []
        self.due = NEVER

    def __len__(self):
        return len(self.table)

    @property
    def timers(self):
        """Instances that have a deadline."""
        return len(self.heap) - self.stale

    @property
    def next_deadline(self):
        """The earliest deadline of an instance that waits, None without one."""
        self.settle()
        return self.heap[0][0] if self.heap else None

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
        old = self.table.pop(id, None)
        self.loaded = True
        if old is not None:
            self.state_bytes -= old.size
        if customer is not None:
            self.state_bytes += customer.size
            self.table[id] = customer
            if customer.foreign is not None:
                self.foreign.append(customer)

    def rebuild_timers(self):
        """Makes the timers anew from the customers, after `load`."""
        cdef Customer customer
        cdef Instance instance
        self.heap = []
        self.stale = 0
        self.loaded = False
        for customer in self.table.values():
            self.move(customer)
            for instance in customer.instances:
                self.number(instance)
                if instance.deadline != NEVER:
                    self.heap.append(self.timer(customer, instance))
        heapify(self.heap)
        self.due = self.heap[0][0] if self.heap else NEVER

    def take_changed(self):
        """(key, byte form as of now) of each customer that changed since the last call."""
        cdef Customer customer
        taken = []
        for customer in self.changed:
            if self.table.get(customer.id) is not customer:
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
        cdef Instance instance
        cdef Customer customer
        if self.loaded:
            self.rebuild_timers()
        ranks = self.slots_from("rule", self.layout.rules, layout, self.generation)
        kept = []
        for deadline, _, id, opened, entry, instance, customer in self.heap:
            if not instance.open:
                continue
            instance.rank = ranks[instance.rank]
            instance.open = instance.rank >= 0
            if instance.open:
                kept.append((deadline, instance.rank, id, opened, entry, instance, customer))
        heapify(kept)
        self.heap = kept
        self.stale = 0
        self.due = kept[0][0] if kept else NEVER
        self.generation += 1
        self.layout = layout
        slots = layout.slots()
        self.since = {
            (kind, id): self.since.get((kind, id), self.generation) for kind in slots for id in slots[kind]
        }
        self.moves = {}
        strangers, self.foreign = self.foreign, []
        for customer in strangers:
            if self.table.get(customer.id) is customer:
                self.move(customer)

    cdef list slots_from(self, str kind, tuple ids, Layout layout, int generation):
        """For each of the ids: its slot in `layout`, -1 where what it had at `generation` is dropped."""
        cdef dict slots = layout.slots()[kind]
        return [slots.get(id, -1) if self.since.get((kind, id), NEVER) <= generation else -1 for id in ids]

    cdef int move(self, Customer customer) except -1:
        """Brings a customer to the present layout."""
        cdef Layout old = customer.layout
        cdef Customer moved
        cdef Instance instance
        cdef int slot, to
        cdef list instances = []
        if customer.generation == self.generation:
            return 0
        if customer.generation not in self.moves:
            self.moves[customer.generation] = tuple([
                self.slots_from(kind, ids, self.layout, customer.generation)
                for kind, ids in (
                    ("source", old.sources), ("trait", old.traits),
                    ("rule", old.rules), ("counter", old.counters),
                )
            ])
        sources, traits, rules, counters = self.moves[customer.generation]
        moved = Customer(customer.id, self.layout)
        for slot in range(old.n_sources):
            to = sources[slot]
            if to >= 0:
                moved.applied[to] = customer.applied[slot]
        for slot in range(old.n_traits):
            to = traits[slot]
            if to >= 0:
                moved.traits[to] = customer.traits[slot]
        customer.applied, moved.applied = moved.applied, customer.applied
        customer.traits = moved.traits
        customer.layout, customer.generation = self.layout, self.generation
        for instance in customer.instances:
            if instance.deadline == NEVER:      # those with timers were seen to by `adopt`
                instance.rank = rules[instance.rank]
                instance.open = instance.rank >= 0
            if instance.open:
                instances.append(instance)
        customer.instances = instances
        if customer.sends is not None:
            sends = {counters[slot]: times for slot, times in customer.sends.items() if counters[slot] >= 0}
            customer.sends = sends or None
        if customer.foreign is not None:
            self.get_to_know(customer)
        return 0

    cdef int get_to_know(self, Customer customer) except -1:
        """Reads those parts of the customer that the rules know by now."""
        cdef Instance instance
        cdef list before = list(customer.instances)
        know(customer)
        for instance in customer.instances[len(before):]:
            self.number(instance)
            if instance.deadline != NEVER:
                heappush(self.heap, self.timer(customer, instance))
        self.due = self.heap[0][0] if self.heap else NEVER
        return 0

    cdef Customer find(self, str id):
        """The customer, or None."""
        cdef PyObject *found = PyDict_GetItemWithError(self.table, id)
        cdef Customer customer
        if found is NULL:
            return None
        customer = <Customer> found
        self.move(customer)
        return customer

    cdef Customer ensure(self, str id):
        cdef Customer customer = self.find(id)
        if customer is None:
            customer = self.table[id] = Customer(id, self.layout, self.generation)
        return customer

    cdef int touch(self, Customer customer) except -1:
        """Says that the customer changed."""
        if not customer.changed:
            customer.changed = True
            self.changed.append(customer)
        return 0

    cdef int number(self, Instance instance) except -1:
        """Says that the instance was opened after those before."""
        self.sequence += 1
        instance.sequence = self.sequence
        return 0

    cdef tuple timer(self, Customer customer, Instance instance):
        self.entries += 1       # a step can keep deadline and opening: then one of two entries is closed
        return (
            instance.deadline, instance.rank, customer.id, instance.sequence, self.entries, instance, customer
        )

    cdef int open(self, Customer customer, Instance instance) except -1:
        """Enters an instance, with its timer if it has a deadline; one that was open, in its old place."""
        cdef Py_ssize_t at = len(customer.instances)
        instance.open = True
        if instance.sequence == 0:
            self.number(instance)
        while at and (<Instance> customer.instances[at - 1]).sequence > instance.sequence:
            at -= 1
        customer.instances.insert(at, instance)
        return self.schedule(customer, instance)

    cdef int schedule(self, Customer customer, Instance instance) except -1:
        if instance.deadline != NEVER:
            heappush(self.heap, self.timer(customer, instance))
            if instance.deadline < self.due:
                self.due = instance.deadline
        return 0

    cdef int close(self, Customer customer, Instance instance) except -1:
        customer.instances.remove(instance)
        return self.shut(instance)

    cdef int replace(self, Customer customer, Instance instance, Instance by) except -1:
        """Puts an instance in the place of another, which is closed."""
        customer.instances[customer.instances.index(instance)] = by
        by.open, by.sequence = True, instance.sequence
        self.shut(instance)
        return self.schedule(customer, by)

    cdef int shut(self, Instance instance) except -1:
        instance.open = False
        if instance.deadline == NEVER:
            return 0
        self.stale += 1
        if self.stale > 1000 and self.stale > len(self.heap) // 2:
            self.heap = [each for each in self.heap if (<Instance> each[5]).open]
            heapify(self.heap)
            self.stale = 0
        return 0

    cdef tuple pop_due(self, int64_t before):
        """(customer, instance) of the first timer before `before`, taken out and closed; or None."""
        cdef Instance instance
        cdef Customer customer
        self.settle()
        if self.due >= before:
            return None
        _, _, _, _, _, instance, customer = heappop(self.heap)
        self.move(customer)
        instance.open = False
        customer.instances.remove(instance)
        self.due = self.heap[0][0] if self.heap else NEVER
        return customer, instance

    cdef bint is_due(self, int64_t before) except -1:
        """Whether a timer has a deadline before `before`."""
        if self.due < before:
            self.settle()
        return self.due < before

    cdef int settle(self) except -1:
        """Drops closed instances from the top of the heap."""
        while self.heap and not (<Instance> self.heap[0][5]).open:
            heappop(self.heap)
            self.stale -= 1
        self.due = self.heap[0][0] if self.heap else NEVER
        return 0
