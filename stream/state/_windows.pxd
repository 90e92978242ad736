"""The cells of traits; the essay is in `_windows.pyx`."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from stream.state._packed cimport Buffer
from stream.events._value cimport ValueC

cdef enum:
    SLICES = 60         # a window of length W is kept in slices of W/60
    KEPT = 120          # slices kept behind the newest one, so that a late event finds its window
    MOST_SLICES = 122   # so a window has at most: KEPT, the newest, and one older than all
    MAX_KEYS = 1000     # values of `per`, of `distinct` and `top`, times of a `gap`, a customer and trait
    MAX_NESTED = 100    # the same, where a `distinct`, `top` or `gap` has `per`

cdef enum Function:      # the codes of `rules.aggregates`, and the order in which they came
    FUNCTION_COUNT = 1
    FUNCTION_SUM = 2
    FUNCTION_LAST = 3
    FUNCTION_MEAN = 4
    FUNCTION_MIN = 5
    FUNCTION_MAX = 6
    FUNCTION_FIRST = 7
    FUNCTION_DISTINCT = 8
    FUNCTION_TOP = 9
    FUNCTION_GAP = 10
    FUNCTION_LIST = 11

cdef struct TraitC:
    int function
    bint per
    int k               # of `top`
    int keys            # most values of `per`
    int values          # most values of `distinct` and `top`, times of `gap`, elements of `list`
    int fields          # of an element of a `list`
    bint keyed          # the elements of a `list` are told apart by a key
    int64_t width       # milliseconds of a slice; 0: one slice for all time

cdef struct EventC:
    int64_t time
    int64_t index       # of the slice it falls into
    double amount       # what `sum`, `mean`, `min` and `max` take
    const ValueC *value     # what `first`, `last`, `distinct` and `top` take; of `list` all fields, in a row

cdef struct EntryC:
    const uint8_t *at
    const uint8_t *key
    const uint8_t *cell
    const uint8_t *end

cdef int64_t base_of(const TraitC *trait, int64_t time) noexcept
cdef int64_t index_of(const TraitC *trait, int64_t time) noexcept

cdef int next_entry(const uint8_t *at, EntryC *into) noexcept
cdef int find(const uint8_t *at, const uint8_t *end, const ValueC *key, EntryC *into) noexcept

cdef int put_body(
    Buffer out, const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base,
    const ValueC *key, const EventC *event, const uint8_t **since,
) except -1
cdef int without_oldest(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base,
    const uint8_t **since, const uint8_t **until,
) noexcept
cdef bint read_number(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t when, ValueC *into
) noexcept
cdef object read_value(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t when
)
cdef list elements(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t when, tuple names
)
cdef object nothing_of(int function)
