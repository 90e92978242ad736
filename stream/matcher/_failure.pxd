"""Why a condition ended in an error; the essay is in `_failure.pyx`."""

from stream.matcher._condition cimport Names
from stream.matcher._frame cimport Frame

# A `structs.ConditionErrorReason`, and by which paths: of a tree that has just ended in an error in this
# frame.
cdef str read_by(object tree)        # the paths that it reads, for people; '' if none
cdef tuple why_failed(object tree, Names names, Frame frame)
