"""Where the loop finds who may want an event; the essay is in `_index.pyx`."""

from libc.stdint cimport uint32_t

from stream.events._event cimport Fields
from stream.events._value cimport ValueC

cdef struct GroupC:             # positions that belong together, ascending
    int first, count

cdef struct TextC:
    const char *text            # NULL: nothing is here
    uint32_t size
    GroupC group

cdef struct NumberC:
    double value
    GroupC group

cdef struct BoundC:
    double value
    int position

cdef class FieldIndex:
    """Positions by the value at one path."""
    cdef int slot
    cdef list owned             # the bytes of the texts
    cdef int *positions
    cdef TextC *texts           # open addressing
    cdef uint32_t mask, longest
    cdef NumberC *numbers       # ascending
    cdef BoundC *lower          # ascending: the value must not be below
    cdef BoundC *upper          # descending: the value must not be above
    cdef int n_positions, n_numbers, n_lower, n_upper
    cdef GroupC null, false, true
    cdef GroupC missing, truths, bounds     # end in an error: without a value, or with one of another type

    cdef GroupC group(self, positions)
    cdef int add_texts(self, dict texts) except -1
    cdef int add_numbers(self, dict numbers) except -1
    cdef int find(self, const ValueC *value, int *into) noexcept
    cdef int find_text(self, const ValueC *value, int *into) noexcept
    cdef int find_number(self, double number, int *into) noexcept
    cdef int find_bounds(self, double number, int *into) noexcept
    cdef int copy(self, GroupC group, int *into) noexcept

cdef class Index:
    cdef readonly int size      # of what it is an index
    cdef int *always            # positions that no atom tells apart, ascending
    cdef int n_always
    cdef list by_field          # FieldIndex, one a path

    cdef int find(self, const ValueC *fields, int *into) noexcept   # how many; ascending; room for `size`
