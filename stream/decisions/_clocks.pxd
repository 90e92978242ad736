"""Rules that a clock starts, as timers of customers; the essay is in `_clocks.pyx`."""

from libc.stdint cimport int64_t, uint32_t

from stream.matcher._match cimport Shared
from stream.matcher._program cimport Program, RulePlan
from stream.state._customer cimport Customer
from stream.state._customers cimport Customers
from stream.state._instances cimport Instance

cdef class Clocks:
    cdef Shared shared
    cdef Customers customers
    cdef Program program
    cdef dict ranks                 # of the rules that a clock starts
    cdef str source                 # of profiles: where what is counted of all customers counts
    cdef int64_t set_for            # the mark of the rules for which all customers' clocks are set
    cdef int64_t setting_for        # that of those for which they are being set
    cdef int64_t since              # as of when; -1: that has not begun
    cdef uint32_t sweep             # its number
    cdef Py_ssize_t place, room     # how far it is in the table, and how large that was
    cdef object keys                # the rest of those on disk; None: not there yet

    cdef int adopt(self, Program program) except -1
    cdef bint is_behind(self) noexcept
    cdef int set_all(self, Customer customer, int64_t after, str source, dict said) except -1
    cdef object next_of(self, RulePlan rule, Customer customer, object where, Instance held, int64_t after)
    cdef int set_next(self, RulePlan rule, Customer customer, str day, int64_t after) except -1
    cdef int catch_up(self, Customer customer) except -1
    cdef int begin(self, int64_t now) except -1
    cdef int64_t go_on(self, int64_t now, int64_t work) except -1
    cdef Customer next_customer(self, int64_t *left)
