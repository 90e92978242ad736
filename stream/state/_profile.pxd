"""A profile update; the essay is in `_profile.pyx`."""

from stream.state._customer cimport Customer

cdef class Profile:
    cdef dict attributes, consents      # what is new; of attributes None removes; may be None

    cdef bint merge_into(self, Customer customer) except -1

cdef Profile profile_of(dict record)    # None: it is none
cdef dict context_of(dict record)       # what a customer has of it; None: it is too much
