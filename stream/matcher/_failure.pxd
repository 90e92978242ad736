"""Why a condition ended in an error; the essay is in `_failure.pyx`."""

from stream.matcher._condition cimport Names
from stream.matcher._frame cimport Frame

# A `structs.ConditionErrorReason`, of a tree that has just ended in an error in this frame.
cdef str why_failed(object tree, Names names, Frame frame)
