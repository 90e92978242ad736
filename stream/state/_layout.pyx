"""Slots for the definitions of a rule set, by name or stable id, and by the short ids of stored states.

Tested by tests/state/test_codec.py and tests/state/test_customer.py.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint64_t

from stream.state._windows cimport MAX_KEYS, MAX_NESTED, SLICES, TraitC

from hashlib import blake2b

from stream.errors import InternalError, RuleSetError
from stream.rules.aggregates import AGGREGATES as _AGGREGATES


@cython.no_gc
@cython.final
cdef class Ids:
    """Slots by short id, and back. A short id is 6 bytes of BLAKE2b of a name or stable id, as a number.

    RuleSetError if two names have one, or if there are more than 65,535 names.
    """

    def __cinit__(self, tuple names not None):
        cdef int slot, at, size = 2
        cdef uint64_t id
        if len(names) >= 1 << 16:
            raise RuleSetError("a rule set has more than 65,535 definitions of one kind")
        while size < 2 * len(names):
            size *= 2
        self.mask = size - 1
        self.ids = <uint64_t *> PyMem_Malloc(max(len(names), 1) * sizeof(uint64_t))
        self.table = <int *> PyMem_Malloc(size * sizeof(int))
        if self.ids is NULL or self.table is NULL:
            raise MemoryError
        for at in range(size):
            self.table[at] = -1
        for slot, name in enumerate(names):
            id = self.ids[slot] = short_id(name)
            at = <int> (id & <uint64_t> self.mask)
            while self.table[at] >= 0:
                if self.ids[self.table[at]] == id:
                    other = names[self.table[at]]
                    raise RuleSetError(
                        f"{name!r} and {other!r} cannot be told apart in stored states",
                        hint="rename one of them, or change its definition",
                    )
                at = (at + 1) & self.mask
            self.table[at] = slot

    def __dealloc__(self):
        PyMem_Free(self.ids)
        PyMem_Free(self.table)

    cdef int slot(self, uint64_t id) noexcept:
        """The slot of a short id; -1 where there is none."""
        cdef int at = <int> (id & <uint64_t> self.mask)
        while self.table[at] >= 0 and self.ids[self.table[at]] != id:
            at = (at + 1) & self.mask
        return self.table[at]


def short_id(str name not None):
    """The number under which a name or stable id is stored."""
    return int.from_bytes(blake2b(name.encode(), digest_size=6).digest(), "little")


@cython.final
cdef class Layout:
    """Slots for the sources, traits, rules and counters of a rule set, by names and stable ids. Immutable.

    Traits of equal stable id share a slot. Rules are put in the order of priority (highest first) and name.
    Counters are `rule:NAME`, `channel:NAME`, `silences:NAME` and `policy`.
    """

    def __cinit__(self, rules):
        definitions = {each.stable_id: each for each in rules.traits}
        ordered = sorted(rules.rules, key=lambda each: (-each.priority, each.name))
        self.sources = tuple([each.name for each in rules.sources])
        self.traits = tuple(definitions)
        self.rules = tuple([each.stable_id for each in ordered])
        self.clocks = frozenset([slot for slot, each in enumerate(ordered) if each.occasion is not None])
        counters = [f"rule:{each.name}" for each in ordered if each.limit is not None]
        counters += [f"channel:{each.name}" for each in rules.channels if each.cap is not None]
        counters += [f"silences:{each.name}" for each in ordered if each.silences is not None]
        self.counters = (*counters, "policy") if rules.policy.cap is not None else tuple(counters)
        self.contexts = tuple([each.name for each in rules.sources if each.kind == "context"])
        self.deduped = tuple([each.name for each in rules.sources if each.dedupe is not None])
        self.source_slots = {name: slot for slot, name in enumerate(self.sources)}
        self.context_slots = {name: slot for slot, name in enumerate(self.contexts)}
        self.seen_slots = {name: slot for slot, name in enumerate(self.deduped)}
        self.trait_slots = {name: slot for slot, name in enumerate(self.traits)}
        self.rule_slots = {name: slot for slot, name in enumerate(self.rules)}
        self.counter_slots = {name: slot for slot, name in enumerate(self.counters)}
        if len(self.rule_slots) != len(self.rules) or len(self.source_slots) != len(self.sources):
            raise InternalError("two rules of one stable id, or two sources of one name, in one rule set")
        self.source_ids, self.trait_ids = Ids(self.sources), Ids(self.traits)
        self.rule_ids, self.counter_ids = Ids(self.rules), Ids(self.counters)
        self.context_ids, self.seen_ids = Ids(self.contexts), Ids(self.deduped)
        self.n_sources = len(self.sources)
        self.n_traits = len(self.traits)
        self.trait = <TraitC *> PyMem_Malloc(max(self.n_traits, 1) * sizeof(TraitC))
        if self.trait is NULL:
            raise MemoryError
        self.names = [tuple([path[len(path) - 1] for path in each.fields]) for each in definitions.values()]
        for slot, trait in enumerate(definitions.values()):
            aggregate = _AGGREGATES[trait.function]
            nested = trait.per is not None and aggregate.keeps_many
            self.trait[slot].function = aggregate.code
            self.trait[slot].per = trait.per is not None
            self.trait[slot].k = trait.k
            self.trait[slot].keys = self.trait[slot].values = MAX_NESTED if nested else MAX_KEYS
            self.trait[slot].fields, self.trait[slot].keyed = len(trait.fields), trait.key is not None
            if aggregate.takes == "fields":
                self.trait[slot].values = trait.most
            self.trait[slot].width = 0 if trait.over is None else (trait.over + SLICES - 1) // SLICES

    def __dealloc__(self):
        PyMem_Free(self.trait)

    def slots(self):
        """For each kind of part its slots by id."""
        return {
            "source": self.source_slots, "trait": self.trait_slots,
            "rule": self.rule_slots, "counter": self.counter_slots, "context": self.context_slots,
            "seen": self.seen_slots,
        }
