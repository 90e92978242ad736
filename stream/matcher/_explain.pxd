"""Why a rule fired or not; the essay is in `_explain.pyx`."""

from libc.stdint cimport int64_t

from stream.matcher._condition cimport Names
from stream.matcher._frame cimport Frame
from stream.matcher._program cimport RulePlan, Plan, Program, StepPlan

cdef class Explainer:
    cdef str customer
    cdef object tell
    cdef Program program
    cdef Frame frame                # its own, so that telling changes nothing of the loop's
    cdef dict terms                 # (tree, names of steps): [(text, Node, [(path, Node)])]

    cdef int tell_wheres(self, Plan plan, Frame frame) except -1
    cdef int tell_step(self, RulePlan rule, int step, Frame frame) except -1
    cdef int tell_if(self, RulePlan rule, Frame frame) except -1
    cdef int tell_repeat(self, str source, str name, str id, int64_t at) except -1
    cdef bint tell_rule(self, RulePlan rule, str part, list trees, Frame frame) except -1
    cdef bint tell_terms(self, str rule, str part, list trees, tuple called, Frame frame) except -1
    cdef tuple seen(self, list paths)
    cdef list paths(self, term, Names names)
    cdef list nodes(self, tree, tuple steps)
    cdef object predicate(self, StepPlan step)
