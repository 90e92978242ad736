"""Layouts through the changes of rules; the essay is in `_layouts.pyx`."""

from stream.state._customer cimport Customer
from stream.state._layout cimport Layout

cdef enum Moves:     # places of the kinds in what `moves_of` gives
    MOVES_SOURCES = 0
    MOVES_TRAITS = 1
    MOVES_RULES = 2
    MOVES_COUNTERS = 3

cdef class Layouts:
    cdef Layout layout              # the present one
    cdef int generation             # how often other rules have been adopted
    cdef dict since                 # (kind, id): the generation since which it has been there
    cdef dict before                # `since` before the last change
    cdef dict ended                 # by stable id of each rule that it ended: instances with timers
    cdef dict moves                 # generation: what `moves_of` gives

    cdef int adopt(self, Layout layout) except -1
    cdef list slots_from(self, str kind, tuple ids, Layout layout, int generation)
    cdef int count_ended(self, Customer customer) except -1
    cdef tuple moves_of(self, Customer customer)
    cdef int move(self, Customer customer) except -1
    cdef dict kept(self, str kind, dict parts, int generation)
