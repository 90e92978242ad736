"""The layouts of a partition's customers, as rules change.

`since` says from which generation of the rules on each part has been there without a break, so that a
customer that is looked up later keeps just those parts that were never gone.

Cost: a customer of the present generation nothing; another one is copied, once.
Tested by tests/state/test_customer.py and tests/engine/test_process.py.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t

from stream.events._times cimport NEVER
from stream.state._customer cimport Customer, SendC, next_part, next_send
from stream.state._instances cimport HeadC, next_head, source_of
from stream.state._layout cimport Layout
from stream.state._packed cimport span


@cython.final
cdef class Layouts:
    """The present layout, and how customers of earlier ones come to it."""

    def __cinit__(self, Layout layout not None):
        self.layout = layout
        self.since = {(kind, id): 0 for kind, slots in layout.slots().items() for id in slots}
        self.moves, self.ended, self.before = {}, {}, {}

    cdef int adopt(self, Layout layout) except -1:
        """Goes over to the layout of other rules."""
        cdef dict slots = layout.slots()
        self.generation += 1
        self.ended = {id: 0 for id in self.layout.rules if id not in layout.rule_slots}
        self.layout, self.before = layout, self.since
        self.since = {
            (kind, id): self.since.get((kind, id), self.generation) for kind in slots for id in slots[kind]
        }
        self.moves = {}
        return 0

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
        """Brings a customer, of which all is here, to the present layout."""
        cdef Customer moved = Customer(customer.id, self.layout)
        moved.base = customer.base
        copy_parts(customer, moved, self.moves_of(customer))
        moved.generation = self.generation
        if customer.rare.contexts is not None:
            customer.rare.contexts = self.kept("context", customer.rare.contexts, customer.generation)
        if customer.rare.seen is not None:
            customer.rare.seen = self.kept("seen", customer.rare.seen, customer.generation)
        return customer.swap_block(moved)

    cdef int count_ended(self, Customer customer) except -1:
        """Counts the instances with timers of a customer that have just ended, with the rules before."""
        cdef list slots
        cdef HeadC head
        cdef const uint8_t *at = <const uint8_t *> customer.applied + customer.instances_at
        if not self.ended:
            return 0
        slots = self.moves_of(customer)[MOVES_RULES]
        while at != <const uint8_t *> customer.applied + customer.sends_at:
            next_head(&at, customer.base, &head)
            if <int> slots[head.rank] < 0 and head.deadline != NEVER:
                id = customer.layout.rules[head.rank]
                if id in self.ended and self.before.get(("rule", id), NEVER) <= customer.generation:
                    self.ended[id] += 1
        return 0

    cdef dict kept(self, str kind, dict parts, int generation):
        """Of parts by a source's name, those that were there ever since a generation; None: none."""
        cdef dict kept = {
            name: part for name, part in parts.items() if self.since.get((kind, name), NEVER) <= generation
        }
        return kept or None


cdef int copy_parts(Customer one, Customer to, tuple moves) except -1:
    """Copies the parts of a customer that another layout has, too."""
    cdef list slots
    cdef const uint8_t *at = <const uint8_t *> one.applied + one.traits_at
    cdef HeadC head
    cdef SendC send
    cdef int slot
    cdef uint32_t size
    slots = moves[MOVES_SOURCES]
    for slot in range(one.layout.n_sources):
        if <int> slots[slot] >= 0:
            to.applied[<int> slots[slot]] = one.applied[slot]
    slots = moves[MOVES_TRAITS]
    while at != <const uint8_t *> one.applied + one.instances_at:
        next_part(&at, &slot, &size)
        if <int> slots[slot] >= 0:
            to.put_trait(slots[slot], at, size, False)
        at += size
    slots = moves[MOVES_RULES]
    while at != <const uint8_t *> one.applied + one.sends_at:
        next_head(&at, one.base, &head)
        if <int> slots[head.rank] >= 0:
            source = source_of(&head, one.layout.sources)
            to.append_waiting(slots[head.rank], source, head.tail, span(head.tail, head.end))
    slots = moves[MOVES_COUNTERS]
    while at != <const uint8_t *> one.applied + one.end:
        next_send(&at, &send)
        if <int> slots[send.slot] >= 0:
            to.put_new_send(slots[send.slot], send.times, span(send.times, send.end), send.several, False)
    return 0
