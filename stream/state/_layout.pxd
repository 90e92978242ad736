"""Slots for the definitions of a rule set; the essay is in `_layout.pyx`."""

from libc.stdint cimport uint64_t

from stream.state._windows cimport TraitC

cdef class Ids:
    cdef uint64_t *ids                              # by slot
    cdef int *table                                 # slots, open addressing; -1: free
    cdef int mask

    cdef int slot(self, uint64_t id) noexcept

cdef class Layout:
    cdef readonly tuple sources, traits, rules, counters    # by slot: names and stable ids
    cdef readonly tuple contexts                    # by slot: the names of sources of `kind: context`
    cdef readonly tuple deduped                     # by slot: the names of sources with `dedupe`
    cdef frozenset clocks                           # slots of rules that a clock starts
    cdef dict source_slots, trait_slots, rule_slots, counter_slots, context_slots, seen_slots
    cdef Ids source_ids, trait_ids, rule_ids, counter_ids, context_ids, seen_ids
    cdef int n_sources, n_traits
    cdef TraitC *trait
    cdef list names                                 # by slot: what the fields of a list's elements are called
