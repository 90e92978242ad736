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

New rules: see `_layouts`.

A changed customer is encoded when it is taken, not when it changes: ten changes are one record.

With a store. Customers are read when they are needed, and leave again by `evict`, which may be called when
the store has all that was taken: what is left out can be read back exactly. Of a customer with timers the id
and its place stay (it is `evicted`): an entry that comes too early, if anything. `dues` tells the store of
these, so that opening one needs no look at the others:

    due         deadline count      8 and 4 bytes, of the first timer and of all; -1: the customer has parts
                                    that the rules do not know, with timers maybe, and is not left out

A customer is bounded as a whole: what rules have made of it (its block) takes half of `most_bytes` at most,
which leaves room for what has bounds of its own (`_profile`). Looked at when it changes; the byte form when
it is made, for the sake of contexts and of states that an earlier release wrote. What is over goes, oldest
first: of the largest trait a quarter, or an instance, whichever of the two takes more. Sends stay, or caps
could be overrun; so do attributes and what was consented to.

Customers are evicted by the second chance: who was used since the hand last came by stays. A definition that
went and came back finds its parts again in customers that were in the store meanwhile, as after a restart.

Cost: a look-up is one of `_byid`; opening or closing an instance under 0.5 us.
Tested by tests/state/test_customer.py and tests/engine/test_process.py.
Longer than 600 lines because table, heap and store must change together, or a timer is lost.
"""

cimport cython
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from stream.state._instances cimport HeadC, Instance, next_head
from stream.state._layout cimport Layout
from stream.state._layouts cimport MOVES_RULES, Layouts
from stream.state._customer cimport EVICTED, Customer
from stream.state._room cimport drop_rare, oldest, shorten
from stream.state._timers cimport TimerC, Timers
from stream.events._times cimport NEVER

from stream.state._codec import decode, encode, know
from stream import structs
from stream.errors import StateError, StoreError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef int MAX_CUSTOMER_ID = 256
cdef Py_ssize_t MOST = structs.MOST_BYTES
cdef Py_ssize_t AROUND = structs.BATCH_BYTES + structs.RECORD_BYTES + 4 * MAX_CUSTOMER_ID
cdef int LEAVING = -2

cdef struct DueC:
    int64_t deadline
    uint32_t count

cdef enum:
    DUE = 12            # bytes of it


@cython.final
cdef class Customers:
    """The customers of one partition and their timers. `state_bytes`: of all byte forms, as last seen."""

    def __cinit__(self, Layout layout not None):
        self.layouts = Layouts(layout)
        self.table = ById()
        self.foreign = []
        self.changed = []
        self.dues = []
        self.heap = Timers()
        self.due = NEVER
        self.most = MOST - AROUND

    def __len__(self):
        return self.table.n

    @property
    def layout(self):
        """The present rules'."""
        return self.layouts.layout

    @property
    def ended(self):
        """By stable id of each rule that the last `adopt` ended: its instances with timers, if in memory."""
        return self.layouts.ended

    @property
    def most_bytes(self):
        """What a customer's byte form may have. To be set: how large a batch the changelog takes."""
        return self.most

    @most_bytes.setter
    def most_bytes(self, Py_ssize_t batch):
        self.most = max(min(batch, MOST) - AROUND, AROUND)

    @property
    def timers(self):
        """Instances that have a deadline."""
        return self.waiting

    @property
    def next_deadline(self):
        """The earliest deadline of an instance that waits, None without one."""
        self.correct_first()
        return self.due if self.due != NEVER else None

    @property
    def live(self):
        """Customers that are in memory: with a store, not all."""
        return self.table.n - self.evicted

    def enter_sends(self, str id not None, str counter not None, list times not None, Py_ssize_t keep):
        """Enters sends that a crash has kept from the state: of each time as many as `times` has of it.

        So it may be called again with the same sends. Only the newest `keep` decide.
        """
        cdef Customer customer = self.ensure(id)
        cdef int slot = self.layouts.layout.counter_slots[counter]
        cdef list known = customer.sends(slot)
        for at in sorted(set(times)):
            for _ in range(times.count(at) - known.count(at)):
                customer.sent(slot, at, keep)
        self.touch(customer)

    def sends(self, str id not None, str counter not None):
        """When the customer's counter was last used: ascending times; a list of one's own."""
        cdef Customer customer = self.find(id)
        slot = self.layouts.layout.counter_slots.get(counter)
        return customer.sends(slot) if customer is not None and slot is not None else []

    def ids(self):
        """Of all customers that are here, in no order; a list of one's own."""
        places = [self.table.at(at) for at in range(self.table.room)]
        return [(<Customer> customer).id for customer in places if customer is not None]

    def get(self, str id not None):
        """The customer, None if there is none; for tests and measurements."""
        return self.find(id)

    def load(self, bytes key not None, bytes value):
        """Takes one changelog record; a value of None deletes. StateError if either is corrupt."""
        cdef Customer customer = None, old
        cdef bint listed
        id = id_of(key)
        if value is not None:
            customer = decode(self.layouts.layout, id, value, self.layouts.generation)
        self.heap.clear()
        self.due = NEVER
        self.loaded = True
        old = self.table.remove(id)
        listed = old is not None and old.listed
        if old is not None:
            self.state_bytes -= old.size
            self.evicted -= old.generation == EVICTED
        if self.store is not None:
            self.note_due(key, customer, listed)
            if customer is not None and not customer.listed:
                return      # it is read when it is needed
        if customer is not None:
            self.state_bytes += customer.size
            self.table.put(customer)
            if customer.rare.foreign is not None:
                self.foreign.append(customer)
            elif self.store is not None:
                self.shed(customer)

    def stand_in(self, bytes key not None, bytes due not None):
        """Takes what the store knows of a customer's timers. StateError if that is corrupt."""
        cdef Customer customer
        cdef DueC what
        cdef const char *at = due
        if len(due) != DUE:
            raise StateError("the store's note of a customer's timers is corrupt")
        memcpy(&what.deadline, at, 8)
        memcpy(&what.count, at + 8, 4)
        customer = Customer(id_of(key), self.layouts.layout, EVICTED)
        customer.listed = True
        self.table.put(customer)
        self.evicted += 1
        self.loaded = True
        if what.deadline < 0:
            self.fill(customer)
        else:
            customer.timer, customer.opened = what.deadline, what.count

    def read_from(self, store):
        """From now on customers that are not here are in `store`: `get(key)`, `distrust()`."""
        self.store = store

    def take_notes(self):
        """(key, due) for the store of each customer taken or loaded since the last call; None: no more."""
        dues, self.dues = self.dues, []
        return dues

    cdef int note_due(self, bytes key, Customer customer, bint listed) except -1:
        """Notes what the store is to know of a customer's timers. `listed`: it knows something so far."""
        cdef DueC what
        cdef char note[DUE]
        cdef HeadC head
        if customer is not None and (customer.rare.foreign is not None or customer.first_timer(&head)):
            what.deadline = -1 if customer.rare.foreign is not None else head.deadline
            what.count = count_timers(customer)
            memcpy(note, &what.deadline, 8)
            memcpy(note + 8, &what.count, 4)
            customer.listed = True
            self.dues.append((key, note[:DUE]))
        elif listed:
            if customer is not None:
                customer.listed = False
            self.dues.append((key, None))
        return 0

    cdef int shed(self, Customer customer) except -1:
        cdef HeadC head
        if customer.timer == NEVER and customer.first_timer(&head):
            customer.timer, customer.timer_rank = head.deadline, 0
        self.state_bytes -= customer.size
        customer.size = 0
        customer.shed(count_timers(customer))
        self.evicted += 1
        return 0

    def evict(self, Py_ssize_t keep, Py_ssize_t most):
        """Leaves to the store what was not used of late, until `keep` customers are whole or `most` left; how
        many did.

        To be called when the store has all that was taken, and before anything else is taken.
        """
        cdef Customer customer
        cdef Timers heap = self.heap
        cdef Py_ssize_t at, left = 0, kept = 0
        cdef Py_ssize_t surplus = min(self.table.n - self.evicted - keep, most)
        if surplus <= 0 or self.loaded or self.staying:
            return 0
        leaving = []
        for _ in range(2 * self.table.room):
            if surplus == len(leaving):
                break
            self.hand = (self.hand + 1) & (self.table.room - 1)
            customer = self.table.at(self.hand)
            if customer is None or customer.generation < 0 or customer.changed:
                continue
            if customer.used or customer.rare.foreign is not None:
                customer.used = False
            elif not customer.listed:
                customer.generation = LEAVING
                leaving.append(customer)
            elif customer.timer == NEVER:
                self.touch(customer)    # the rules have dropped its timers; the store must know that
            else:
                self.shed(customer)
                surplus -= 1
                left += 1
        if leaving:
            for at in range(heap.n):
                customer = <Customer> heap.heap[at].customer
                if customer.generation != LEAVING and is_place(&heap.heap[at]):
                    heap.heap[kept] = heap.heap[at]
                    kept += 1
            heap.n = kept
            heap.order()
            for customer in leaving:
                self.state_bytes -= customer.size
                self.table.remove(customer.id)
        return left + len(leaving)

    def rebuild_timers(self):
        """Makes the timers anew from the customers, after `load`."""
        cdef Customer customer
        cdef Py_ssize_t at
        self.loaded = False
        for at in range(self.table.room):
            customer = self.table.at(at)
            if customer is not None and customer.generation != EVICTED:
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
        if customer.generation == EVICTED:
            self.waiting += customer.opened
            customer.timer_rank = 0
            return self.heap.put(customer.timer, 0, customer)
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
            if len(value) > self.most:
                value = self.fitted(customer, value)
            customer.changed = False
            self.created += customer.size == 0
            self.state_bytes += len(value) - customer.size
            customer.size = len(value)
            key = customer.id.encode()
            taken.append((key, value))
            if self.store is not None:
                self.note_due(key, customer, customer.listed)
        self.changed = []
        return taken

    def adopt(self, Layout layout not None):
        """Goes over to the layout of other rules; customers follow one by one. See `ended`."""
        cdef Customer customer
        cdef Timers heap = self.heap
        cdef Py_ssize_t at
        if self.loaded:
            self.rebuild_timers()
        self.unlooked = 0
        self.layouts.adopt(layout)
        self.heap, self.waiting = Timers(), 0
        with_timers = []
        for at in range(heap.n):
            customer = <Customer> heap.heap[at].customer
            if is_place(&heap.heap[at]):
                with_timers.append((customer, customer.timer))
                customer.timer = NEVER          # so that it is taken once
        for customer, deadline in with_timers:
            if customer.generation == EVICTED:
                customer.timer = deadline
                self.enter(customer, None)
                self.unlooked += 1
            else:
                self.enter(customer, self.layouts.moves_of(customer)[MOVES_RULES])
                self.layouts.count_ended(customer)
        self.heap.order()
        self.due = self.heap.heap[0].deadline if self.heap.n else NEVER
        strangers, self.foreign = self.foreign, []
        for customer in strangers:
            if self.table.find(customer.id) is customer:
                self.move(customer)

    cdef int move(self, Customer customer) except -1:
        """Brings a customer to the present layout."""
        if customer.generation == self.layouts.generation:
            return 0
        if customer.generation == EVICTED:
            return self.fill(customer)
        self.layouts.move(customer)
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
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(id, &size)
        return self.find_by(text, size)

    cdef Customer find_by(self, const char *id, Py_ssize_t size):
        """The same by an id in UTF-8."""
        cdef Customer customer = self.table.find_by(id, size)
        if customer is None:
            return None if self.store is None else self.fetch(PyUnicode_DecodeUTF8(id, size, NULL))
        self.move(customer)
        customer.used = True
        return customer

    cdef Customer fetch(self, str id):
        """A customer that is not here, from the store; None if that has none either."""
        cdef Customer customer = self.read(id)
        if customer is not None:
            self.table.put(customer)
            self.enter_fetched(customer)
        return customer

    cdef int fill(self, Customer customer) except -1:
        """Reads from the store what an evicted customer lacks."""
        cdef Customer whole = self.read(customer.id)
        if whole is None:
            raise self.distrusted("lacks a customer that has timers")
        self.evicted -= 1
        self.waiting -= customer.opened
        customer.base, customer.size, customer.rare = whole.base, whole.size, whole.rare
        customer.swap_block(whole)
        return self.enter_fetched(customer)

    cdef Customer read(self, str id):
        """A customer as the store has it; None if it has none."""
        value = self.store.get(id.encode())
        self.fetched += 1
        if value is None:
            return None
        try:
            return decode(self.layouts.layout, id, value, self.layouts.generation)
        except StateError as error:
            raise self.distrusted(error.message) from error

    def distrusted(self, str reason):
        """The error of a store that is found to be wrong; it is not opened again."""
        self.store.distrust()
        return StoreError(f"the store is corrupt: {reason}", hint="it is made anew at the next start")

    cdef int enter_fetched(self, Customer customer) except -1:
        """Enters what was read: its size, its timers if they come before its place."""
        cdef HeadC head
        cdef bint waits = customer.first_timer(&head)
        customer.used = True
        self.state_bytes += customer.size
        self.waiting += count_timers(customer)
        if waits and comes_before(head.deadline, head.rank, customer):
            customer.timer, customer.timer_rank = head.deadline, head.rank
            self.heap.push(head.deadline, head.rank, customer)
            self.due = min(self.due, head.deadline)
        if customer.rare.foreign is not None:
            self.foreign.append(customer)
        if (waits or customer.rare.foreign is not None) and not customer.listed:
            self.touch(customer)        # other rules wrote it: the store must learn of its timers
        return 0

    cdef Customer ensure(self, str id):
        cdef Customer customer = self.find(id)
        if customer is None:
            customer = Customer(id, self.layouts.layout, self.layouts.generation)
            self.table.put(customer)
        return customer

    cdef int make_room(self, Customer customer, Py_ssize_t most) except -1:
        """Drops the oldest of a customer until its block has at most so many bytes, or only sends."""
        cdef Py_ssize_t traits, waiting
        cdef dict gone
        while customer.end > most:
            traits = customer.instances_at - customer.traits_at
            waiting = customer.sends_at - customer.instances_at
            if traits + waiting == 0:
                break
            gone = oldest(customer, min(customer.end - most, waiting - traits)) if waiting > traits else {}
            if gone:
                self.change(customer, gone)
                self.crowded += len(gone)
            elif traits:
                shorten(customer)
                self.crowded += 1
            else:
                break       # clocks are left
        return 0

    cdef bytes fitted(self, Customer customer, bytes value):
        """The byte form of a customer whose byte form was too large, without what has to go."""
        self.make_room(customer, customer.end - (len(value) - self.most))
        value = encode(customer)
        while len(value) > self.most and drop_rare(customer):
            self.crowded += 1
            value = encode(customer)
        return value

    cdef int touch(self, Customer customer) except -1:
        """Says that the customer changed."""
        if customer.end > self.most // 2:
            self.make_room(customer, self.most // 2)
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

    cdef int change(self, Customer customer, dict changes) except -1:
        """Puts instances in the place of others, by their sequence; None: it is closed."""
        cdef Instance by
        self.waiting -= customer.change(changes)
        for by in changes.values():
            if by is not None:
                self.schedule(customer, by.deadline, by.rank)
        return 0

    cdef int first_rank(self) except -2:
        """The rank of the first timer; -1 without one."""
        self.correct_first()
        return self.heap.heap[0].rank if self.heap.n else -1

    cdef tuple pop_due(self, int64_t before):
        """(customer, instance) of the first timer before `before`, taken out; or None."""
        cdef Customer customer
        self.correct_first()
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
        customer.take_out(&head)
        self.waiting -= 1
        return instance

    cdef bint is_due(self, int64_t before) except -1:
        """Whether a timer has a deadline before `before`."""
        if self.due < before:
            self.correct_first()
        return self.due < before

    cdef int correct_first(self) except -1:
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


cdef str id_of(bytes key):
    """The customer id of a record's key. StateError if it is none."""
    try:
        id = key.decode()
    except UnicodeDecodeError:
        raise StateError("a key of the changelog is not UTF-8") from None
    if not 1 <= len(id) <= MAX_CUSTOMER_ID:
        raise StateError("a key of the changelog is no customer id")
    return id


cdef uint32_t count_timers(Customer customer) noexcept:
    """Instances that have a deadline."""
    cdef HeadC head
    cdef uint32_t count = 0
    cdef const uint8_t *at = <const uint8_t *> customer.applied + customer.instances_at
    while at != <const uint8_t *> customer.applied + customer.sends_at:
        next_head(&at, customer.base, &head)
        count += head.deadline != NEVER
    return count


cdef bint comes_before(int64_t deadline, int rank, Customer customer) noexcept:
    """Whether a timer comes before its customer's place."""
    return deadline < customer.timer or (deadline == customer.timer and rank < customer.timer_rank)


cdef bint is_place(const TimerC *timer) noexcept:
    """Whether an entry of the heap is its customer's place."""
    cdef Customer customer = <Customer> timer.customer
    return timer.deadline == customer.timer and timer.rank == customer.timer_rank
