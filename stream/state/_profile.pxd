"""A profile update; the essay is in `_profile.pyx`."""

from libc.stdint cimport int64_t

from stream.state._customer cimport Customer

cdef class Profile:
    cdef dict attributes            # what is new; None removes; may be None
    cdef dict consents              # purpose: what is said of it; `at` is -1 where that is its arrival
    cdef bint flawed                # its record is put aside: only what it takes back counts
    cdef str what                   # is wrong with it
    cdef bint gone                  # there is no profile any more
    cdef bint all_unknown           # nobody knows of which purposes its consents are
    cdef bint unclear               # nobody knows what it says of a purpose
    cdef bint nowhere               # its time zone cannot be read

    cdef bint takes_back(self) except -1
    cdef bint merge_into(self, Customer customer, int64_t now, int64_t arrival, bint bounded) except -1
    cdef int take(self, dict consents, bint whole) except -1
    cdef int read(self, str purpose, said) except -1
    cdef int doubt(self, str purpose) except -1
    cdef bint blame(self, str what) except -1

cdef Profile profile_of(dict record)
cdef Profile tombstone()
cdef dict context_of(dict record)       # what a customer has of it; None: it is too much
