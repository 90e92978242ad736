"""The guards; the essay is in `_guards.pyx`."""

from libc.stdint cimport int64_t

from stream.decisions._sending cimport Sending, Way
from stream.matcher._match cimport Match

cdef class Verdict:
    """What becomes of a match."""
    cdef readonly str outcome, reason       # `reason`: None where it is sent
    cdef Way way
    cdef readonly int64_t until             # of what is deferred: when it is judged again
    cdef readonly tuple held_out_by
    cdef readonly str silenced_by           # the rule that does; None: none

# `arms`: who draws in the place of `experiments`; None: nobody.
cdef Verdict judge(Match match, Sending sending, arms)
cdef Verdict repeat(Match match, Sending sending, prior, arms)
