"""Why a rule fired or not; the essay is in `_explain.pyx`."""

from libc.stdint cimport int64_t

from stream.matcher._condition cimport Names
from stream.matcher._frame cimport Frame, Node
from stream.matcher._program cimport RulePlan, Plan, Program, StepPlan

cdef class Part

cdef class Explainer:
    cdef str customer
    cdef object tell
    cdef Program program
    cdef Frame frame                # its own, so that telling changes nothing of the loop's
    cdef dict prepared              # (tree, names of steps): its conjuncts, each a Part

    cdef int tell_wheres(self, Plan plan, Frame frame) except -1
    cdef int tell_step(self, RulePlan rule, int step, Frame frame) except -1
    cdef int tell_if(self, RulePlan rule, Frame frame) except -1
    cdef int tell_repeat(self, str source, str name, str id, int64_t at) except -1
    cdef bint tell_rule(self, RulePlan rule, str part, list trees, Frame frame) except -1
    cdef bint tell_trees(self, str rule, str part, list trees, tuple called, Frame frame) except -1
    cdef object came(self, Part part)
    cdef list parts(self, tree, tuple steps)
    cdef Part prepare(self, tree, Names names)
    cdef object predicate(self, StepPlan step)

cdef class Part:
    cdef str text
    cdef Node node
    cdef list paths, parts
