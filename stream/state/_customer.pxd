"""What a customer's state is made of; the essay is in `_customer.pyx`."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from stream.state._instances cimport HeadC, Instance
from stream.state._layout cimport Ids, Layout
from stream.events._value cimport ValueC

cdef enum:
    EVICTED = -1         # generation of a customer that is in the store but for id and timers' place
    HEADER = 6          # bytes before a trait's base
    MAX_INSTANCES = 16  # open ones of a rule; and as many messages of it that wait for the end of quiet hours

cdef enum Section:
    SECTION_TRAITS
    SECTION_INSTANCES
    SECTION_SENDS


# --- a customer -------------------------------------------------------------------------------

cdef struct PartC:                                  # of a trait
    const uint8_t *at
    const uint8_t *body
    const uint8_t *end
    int64_t base

cdef struct SendC:
    const uint8_t *at
    const uint8_t *times
    const uint8_t *end
    int slot
    bint several

cdef class Consent:
    cdef readonly bint granted
    cdef readonly int64_t at                        # believed: see `_profile`
    cdef readonly str basis
    cdef readonly object expires                    # the first ms at which it no longer holds; None: it does
    cdef readonly bint doubtful                     # a grant dated ahead of the clock: see `_profile`

cdef class Rare:
    cdef dict attributes                            # of the profile; None: there is none
    cdef dict consents                              # purpose, or "*": Consent; None while empty
    cdef dict contexts                              # source: its latest record; None while empty
    cdef dict seen                                  # source: ids of events, see `_seen`; None while empty
    cdef int64_t claimed_at                         # when a timer last claimed a group; -1: never
    cdef dict claimed                               # group: the rule whose timer claimed it then; None: none
    cdef list foreign                               # (kind, short id, bytes) of parts that no rule knows

cdef class Customer:
    cdef Layout layout
    cdef int64_t *applied                           # the block: first offsets by source slot, -1: none
    cdef uint32_t traits_at, instances_at, sends_at, end    # where the sections are
    cdef uint32_t room                              # bytes that the block takes
    cdef uint32_t opened                            # sequence of the last instance; evicted: how many wait
    cdef int generation                             # of the layout, in its partition; or EVICTED
    cdef int64_t base                               # of times of instances and sends; -1: there is none
    cdef int64_t timer                              # with `timer_rank` its place among the timers: not later
    cdef int timer_rank                             # than its first one; NEVER: none
    cdef uint8_t changed
    cdef uint8_t used                               # since the cache last looked; for `evict`
    cdef uint8_t listed                             # the store knows of its timers
    cdef uint32_t size                              # of the byte form last written or read
    cdef uint32_t armed                             # the sweep that has set its clocks, see `_clocks`
    cdef Rare rare                                  # NOTHING_RARE for most; `own` before it is written to

    cdef Rare own(self)
    cdef const char *id_bytes(self, Py_ssize_t *size) noexcept
    cdef int resize(self, Py_ssize_t size) except -1
    cdef int swap_block(self, Customer other) except -1
    cdef int shed(self, uint32_t waiting) except -1
    cdef int splice(
        self, int section, Py_ssize_t at, Py_ssize_t gone, const void *come, Py_ssize_t size
    ) except -1
    cdef uint8_t *extend(self, Py_ssize_t most) except NULL
    cdef Py_ssize_t offset(self, const uint8_t *at) noexcept
    cdef int begin(self, int64_t time) except -1

    cdef bint seek(self, int slot, PartC *into) noexcept
    cdef bint put_trait(self, int slot, const uint8_t *body, Py_ssize_t size, bint last) except -1
    cdef int update(
        self, int slot, const ValueC *key, int64_t time, double amount, const ValueC *value
    ) except -1
    cdef int remove(self, int slot, const ValueC *key) except -1
    cdef int clear_trait(self, int slot) except -1
    cdef bint cell(self, int slot, const ValueC *key, PartC *into) noexcept
    cdef object value(self, int slot, const ValueC *key, int64_t at)
    cdef bint number(self, int slot, const ValueC *key, int64_t at, ValueC *into) except -1
    cdef dict values(self, int slot, int64_t at)

    cdef bint seek_send(self, int counter, SendC *into) noexcept
    cdef list sends(self, int counter)
    cdef bint used_up(self, int counter, Py_ssize_t count, int64_t after) noexcept
    cdef bint put_new_send(
        self, int counter, const uint8_t *times, Py_ssize_t size, bint several, bint last
    ) except -1
    cdef int put_send(
        self, const SendC *gone, int counter, const uint8_t *times, Py_ssize_t size, bint several
    ) except -1
    cdef int sent(self, int counter, int64_t at, Py_ssize_t keep) except -1
    cdef int put_one_send(self, const SendC *gone, int counter, int64_t at) except -1
    cdef int put_among_sends(self, int counter, int64_t at, Py_ssize_t keep) except -1

    cdef bint waits(self) noexcept
    cdef list waiting(self, dict ranks)
    cdef int put_off(self, int rank) noexcept
    cdef bint next_waiting(self, const uint8_t **at, HeadC *head) noexcept
    cdef bint first_timer(self, HeadC *first) noexcept
    cdef Instance at_head(self, const HeadC *head)
    cdef int insert(self, Instance instance) except -1
    cdef int put(self, Instance instance) except -1
    cdef int append_waiting(self, int rank, str source, const uint8_t *tail, Py_ssize_t size) except -1
    cdef int take_out(self, const HeadC *head) except -1
    cdef int change(self, dict changes) except -1

cdef int next_part(const uint8_t **at, int *slot, uint32_t *size) noexcept
cdef int next_send(const uint8_t **at, SendC *into) noexcept
