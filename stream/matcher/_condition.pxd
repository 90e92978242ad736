"""What a condition is compiled with; the essay is in `_condition.pyx`."""

from stream.events._event cimport Fields
from stream.matcher._frame cimport Frame, Node, reach     # noqa: F401  # for who uses conditions

cdef class Names:
    """What a condition may name, and the nodes compiled with these names so far (by tree, shared).

    One for each set of names: all rules without captured steps share one.
    """
    cdef Fields fields              # where the paths of the event's fields get their slots
    cdef readonly dict traits       # name: (slot, function as a number, has `per`)
    cdef readonly dict segments     # name: slot in `Frame.segments`
    cdef readonly dict steps        # name: index in `Frame.captured`
    cdef readonly bint customer     # whether `customer` is visible
    cdef dict nodes
    cdef dict causes                # by tree: what `_failure` looks into
    cdef dict loops                 # the variables of the macros around: name: Item
    cdef int depth                  # how many those are

    cdef Names inside(self, str variable, Node items)
    cdef bint knows(self, str variable) except -1

cdef bint is_keyed(tree, Names names) except -1    # whether it is `traits.NAME` of a trait with `per`
