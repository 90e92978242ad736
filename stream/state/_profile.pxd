"""A profile update; the essay is in `_profile.pyx`."""

from libc.stdint cimport int64_t

from stream.events._event cimport Event
from stream.state._customer cimport Consent, Customer

cdef class Profile:
    cdef dict attributes            # what is new; None removes; may be None
    cdef dict consents              # purpose: what is said of it; `at` is -1 where that is its arrival
    cdef dict spans                 # purpose: how many ms the time of its withdrawal says
    cdef dict plain                 # purpose: what is compared of it
    cdef bint flawed                # its record is put aside: only what it takes back counts
    cdef str what                   # is wrong with it
    cdef bint gone                  # there is no profile any more
    cdef bint unclear               # nobody knows what it says of a purpose
    cdef bint nowhere               # its time zone cannot be read

    cdef bint takes_back(self) except -1
    cdef bint merge_into(self, Customer customer, int64_t now, int64_t arrival, bint bounded) except -1
    cdef int take(self, dict consents, bint whole) except -1
    cdef int read_all(self, str key, consents, set twice) except -1
    cdef int read(self, str purpose, said, bint twice) except -1
    cdef Consent consent_of(self, str purpose, dict said)
    cdef Consent doubt(self, str purpose, int64_t at)
    cdef bint blame(self, str what) except -1

cdef Profile profile_of(Event event)
cdef Profile tombstone()
cdef dict context_of(dict record)       # what a customer has of it; None: it is too much
