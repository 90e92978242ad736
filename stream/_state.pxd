"""What a customer's state is made of; the essay is in `_state.pyx`."""

from libc.stdint cimport int64_t

cdef enum:
    SLICES = 60         # a window of length W is kept in slices of W/60
    KEPT = 120          # slices kept behind the newest one, so that a late event finds its window
    MAX_KEYS = 1000     # values of `per`, of `distinct` and `top`, times of a `gap`, a customer and trait
    MAX_NESTED = 100    # the same, where a `distinct`, `top` or `gap` has `per`
    MAX_SCALAR = 1024   # bytes of a string that a trait keeps
    MAX_INSTANCES = 16  # open ones of a rule; and as many messages of it that wait for the end of quiet hours

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
    int k               # of `top`
    int keys            # most values of `per`
    int values          # most values of `distinct` and `top`, times of `gap`
    int64_t width       # milliseconds of a slice; 0: one slice for all time

cdef class Layout:
    cdef readonly tuple sources, traits, rules, counters    # by slot: names and stable ids
    cdef dict source_slots, trait_slots, rule_slots, counter_slots
    cdef int n_sources, n_traits
    cdef TraitC *trait


# --- windows ----------------------------------------------------------------------------------

cdef struct SliceC:
    int64_t index       # event time // width
    double amount

cdef class Window:
    cdef SliceC *slices                             # ascending; no empty ones
    cdef int n, room

    cdef int add(self, int function, int64_t index, double amount) except -1
    cdef int insert(self, int at, int64_t index, double amount) except -1
    cdef double total(self, int64_t first, int64_t last) noexcept
    cdef object extreme(self, int function, int64_t first, int64_t last)

cdef class Mean:
    cdef Window sums, counts                        # of the same slices

cdef class Marked:
    cdef list entries                               # (index, time, value), ascending by index

    cdef int put(self, int function, int64_t index, int64_t time, object value) except -1
    cdef object value(self, int function, int64_t first, int64_t last)

cdef class Values:
    cdef dict windows                               # value: Window; least recently updated first

    cdef int put(self, TraitC *trait, int64_t index, object value) except -1
    cdef object distinct(self, int64_t first, int64_t last)
    cdef object top(self, int k, int64_t first, int64_t last)

cdef class Times:
    cdef int64_t *times                             # ascending
    cdef int n, room

    cdef int put(self, TraitC *trait, int64_t time) except -1
    cdef int insert(self, int at, int64_t time) except -1
    cdef object value(self, int64_t width, int64_t first, int64_t last, int64_t at)

cdef object new_cell(int function)


# --- a customer -------------------------------------------------------------------------------

cdef class Consent:
    cdef readonly bint granted
    cdef readonly int64_t at
    cdef readonly str basis

cdef class Instance:
    cdef int rank                                   # the rule's slot
    cdef int step                                   # how many steps are done: 1 or more
    cdef object key                                 # the value of the rule's `key`; ABSENT without one
    cdef bint open                                  # False: closed, replaced or fired; timers skip it
    cdef bint late                                  # the last step's event was too old when it came
    cdef int64_t since                              # first judged at, if quiet hours put it off; else -1
    cdef int64_t deadline
    cdef int64_t sequence                           # in the order of opening; 0: it has not been open
    cdef int64_t time, appended_at                  # of the last step's event, as what follows
    cdef str source, name, id
    cdef list events                                # JSON of each step's event, what is needed of it

cdef class Customer:
    cdef readonly str id
    cdef Layout layout
    cdef int generation                             # of the layout, in its partition
    cdef int64_t *applied                           # by source slot; -1: nothing yet
    cdef list traits                                # by trait slot: a cell | {key: cell} | None
    cdef list instances                             # open ones, in the order of their opening
    cdef dict sends                                 # counter slot: ascending times; None while empty
    cdef readonly dict attributes                   # of the profile; None: there is none
    cdef readonly dict consents                     # purpose: Consent; None while empty
    cdef int64_t taken_at                           # when a timer last took a group; -1: never
    cdef dict taken                                 # group: the rule whose timer took it then; None: none
    cdef list foreign                               # (kind, id, bytes) of parts that no rule at hand knows
    cdef bint changed
    cdef Py_ssize_t size                            # of the byte form last written or read

    cdef int update(self, int slot, object key, int64_t time, double amount, object value) except -1
    cdef object value(self, int slot, object key, int64_t at)
    cdef int sent(self, int counter, int64_t at, Py_ssize_t keep) except -1


# --- scalars ----------------------------------------------------------------------------------

cdef object key_of(object value)
cdef object scalar_of(object key)
cdef bint is_scalar(object value) except -1
