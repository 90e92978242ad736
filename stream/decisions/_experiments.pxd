"""Experiment arms; what they are is told in `experiments.py`."""

cpdef bint is_held_out(str customer, str salt, int share) except -1
cpdef bint is_rolled_out(str customer, str salt, int share) except -1
cpdef object variant_of(str customer, str rule, variants)
