"""A match to a decision; the essay is in `_decide.pyx`."""

from stream.decisions._guards cimport Verdict
from stream.decisions._sending cimport Sending
from stream.decisions._wire cimport Decided
from stream.matcher._match cimport Match
from stream.state._packed cimport Buffer

cdef class Sink:
    """Who is told of each match what was decided."""
    cdef int tell(self, Decided decided, bint is_sent) except -1

cdef class Results(Sink):
    """Makes objects of it, in a `structs.Result`."""
    cdef object result

cdef class Decider:
    """How matches are decided during a call of the engine."""
    cdef object arms                # who draws in the place of `experiments`; None: nobody
    cdef dict most_bytes            # of a batch, by topic
    cdef object result              # a `structs.Result`: what texts could not be written is counted there
    cdef Sink sink
    cdef Buffer content             # of the message at hand, as JSON

    cdef int decide(self, Match match) except -1
    cdef bint write(self, Match match, Sending sending, Verdict verdict, Decided decided) except -1
    cdef bint fits(self, Match match, Sending sending, Decided decided) except -1
