"""What a customer's state is made of; the essay is in `_state.pyx`."""

from libc.stdint cimport int64_t

cdef enum:
    SLICES = 60         # a window of length W is kept in slices of W/60
    KEPT = 120          # slices kept behind the newest one, so that a late event finds its window
    MAX_KEYS = 1000     # values of `per` a customer and trait
    MAX_SCALAR = 1024   # bytes of a string that `last` or `per` keeps

cdef enum Function:
    COUNT = 1
    SUM = 2
    LAST = 3
    MEAN = 4
    MIN = 5
    MAX = 6
    FIRST = 7
    DISTINCT = 8
    TOP = 9
    GAP = 10


# --- the definitions that parts of a state belong to ------------------------------------------

cdef struct TraitC:
    int function
    bint per
    int64_t width       # milliseconds of a slice; 0: one slice for all time

cdef class Layout:
    cdef readonly tuple sources, traits, rules      # stable ids by slot
    cdef readonly int generation
    cdef dict source_slots, trait_slots, rule_slots, since
    cdef int n_sources, n_traits
    cdef TraitC *trait


# --- windows ----------------------------------------------------------------------------------

cdef struct SliceC:
    int64_t index       # event time // width
    double amount

cdef class Window:
    cdef SliceC *slices                             # ascending; no empty ones
    cdef int n, room

    cdef int add(self, int64_t index, double amount) except -1
    cdef int insert(self, int at, int64_t index, double amount) except -1
    cdef double total(self, int64_t first, int64_t last) noexcept

cdef class Latest:
    cdef list entries                               # (index, time, value), ascending by index

    cdef int put(self, int64_t index, int64_t time, object value) except -1
    cdef object value(self, int64_t first, int64_t last)


# --- a customer -------------------------------------------------------------------------------

cdef class Instance:
    cdef int rank                                   # the rule's slot
    cdef bint open                                  # False: closed, replaced or fired; timers skip it
    cdef int64_t deadline, time, appended_at
    cdef str source, name, id
    cdef bytes event                                # the JSON as it came

cdef class Customer:
    cdef readonly str id
    cdef Layout layout
    cdef int64_t *applied                           # by source slot; -1: nothing yet
    cdef list traits                                # by trait slot: Window | Latest | {key: either} | None
    cdef list instances                             # open ones; at most one of a rule
    cdef dict sends                                 # rule slot: ascending times; None while empty
    cdef dict attributes                            # of the profile; None: there is none
    cdef bint changed
    cdef Py_ssize_t size                            # of the byte form last written or read

    cdef int update(self, int slot, object key, int64_t time, double amount, object value) except -1
    cdef object value(self, int slot, object key, int64_t at)
    cdef int sent(self, int rank, int64_t at, Py_ssize_t keep) except -1


# --- scalars ----------------------------------------------------------------------------------

cdef object key_of(object value)
cdef bint is_scalar(object value) except -1
