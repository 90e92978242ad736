"""A match to a decision; the essay is in `_decide.pyx`."""

from stream.matcher._match cimport Match

cdef class Decider:
    """How matches are decided during a call of the engine."""
    cdef object arms                # who draws in the place of `experiments`; None: nobody
    cdef object most_bytes          # of a batch, by topic
    cdef object result              # a `structs.Result`

    cdef int decide(self, Match match) except -1
