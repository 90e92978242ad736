"""What decisions need of a rule set, made once; the essay is in `_sending.pyx`."""

from libc.stdint cimport int64_t

from stream.decisions._wire cimport Words
from stream.matcher._frame cimport Node
from stream.matcher._program cimport Program, RulePlan

cdef class Uses:
    """A limit or cap, and the counter that it looks at."""
    cdef object limit               # a `model.Limit`
    cdef str counter
    cdef int slot                   # of the counter in a customer's sends
    cdef Py_ssize_t count
    cdef int64_t over               # ms; -1: by the calendar
    cdef dict began                 # (zone, minute): when the calendar's period began

cdef class Way:
    """A channel, as a rule sends on it."""
    cdef object channel             # a `model.Channel`
    cdef str name, topic
    cdef str consent                # None: it needs none
    cdef tuple address              # the path of it; None: it needs none
    cdef bint is_text               # what it is
    cdef bint is_ever_quiet
    cdef bint heeds_policy, heeds_silence   # whether the policy's `suppress` holds it, and other rules
    cdef Node suppress              # the channel's own; None: nothing is suppressed
    cdef Uses cap, overall          # None: there is none; `overall`: the policy's
    cdef list used                  # all that a send uses up: Uses
    cdef dict ends                  # the same of its quiet hours, when they end
    cdef dict messages              # by the variant's name; None: of a rule without variants

cdef class Sending:
    """A rule, as its matches are decided."""
    cdef object rule, policy
    cdef str name, stable_id
    cdef tuple variants, sensitive, goals
    cdef object priority
    cdef list ways
    cdef Uses limit
    cdef bint heeds_policy          # whether its `suppress` holds it on any channel
    cdef list silencers             # (name of a rule that silences this one, Uses)
    cdef int policy_holdout, holdout        # hundredths of a per cent
    cdef str salt
    cdef int rollout
    cdef str rollout_salt
    cdef bint is_shadow             # it decides, and nothing comes of it
    cdef int64_t patience           # ms from the first judgement on, for quiet hours to end
    cdef Words words
    cdef bytes source               # `ce_source` of its triggers

cdef Sending sending_of(RulePlan plan, Program program)
