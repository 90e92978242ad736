"""Where the loop finds who may want an event; the essay is in `_index.pyx`."""

cdef class Lookup:
    """Positions by the value at a path."""
    cdef tuple path
    cdef dict texts, numbers, others

cdef class Index:
    cdef list always            # positions that no atom tells apart, ascending
    cdef list lookups           # Lookup, one a path

    cdef list find(self, dict event)        # ascending; not to be written to
