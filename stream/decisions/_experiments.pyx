"""Experiment arms, drawn; what they are is told in `experiments`.

Tested by tests/decisions/test_experiments.py and tests/decisions/test_experiment_vectors.py.
"""

from libc.math cimport INFINITY, log

from stream.decisions._hash cimport number_of

from stream.rules.model import WHOLE as _WHOLE

cdef int WHOLE = _WHOLE
cdef double NUMBERS = 2.0 ** 64     # that there are


cpdef bint is_held_out(str customer, str salt, int share) except -1:
    """Whether the customer is in the control group of a rule (`rule:NAME`) or of all (`policy`)."""
    return share > 0 and <int> (number_of(customer, salt) % WHOLE) < share


cpdef bint is_rolled_out(str customer, str salt, int share) except -1:
    """Whether a rule speaks to the customer (`rollout:NAME`)."""
    return share >= WHOLE or <int> (number_of(customer, salt) % WHOLE) < share


cpdef object variant_of(str customer, str rule, variants):
    """The customer's variant; `variants` is not empty, their shares are above 0."""
    cdef double best = -1, score, drawn
    cdef int share
    chosen = None
    for variant in variants:
        drawn = (<double> number_of(customer, f"variant:{rule}:{variant.name}") + 0.5) / NUMBERS
        share = variant.share
        score = share / -log(drawn) if drawn < 1 else INFINITY
        if score > best:
            chosen, best = variant, score
    return chosen
