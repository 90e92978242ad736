"""Profile updates: what a record says of a customer's attributes and consents, and how it is merged.

    {"attributes": {name: value},
     "consents": {purpose: {"granted": bool, "at": time, "basis": text, "expires": time}}}

Either may be missing, and so may `basis` and `expires`. Attributes are merged at the top level, null removes
one. A consent with an older `at` than the one held is ignored. `expires` is the first moment at which a
consent no longer holds. All of a record is taken, or nothing of it.

Bounds, of a customer: 200 attributes with names of 128 characters in 16 KiB of JSON, 100 purposes. An update
that would pass them changes nothing, but its record came in its turn: the time that it moved on stays so.

What a source of `kind: context` says (third-party data, such as the weather) is a record as it came, under
the bounds of attributes, and replaces the one before: nothing of that is merged.
Tested by tests/state/test_profile.py.
"""

cimport cython
from stream.state._customer cimport Consent, Customer

import orjson

from stream.events._times import parse_time

cdef enum:
    MAX_ATTRIBUTES = 200
    MAX_BYTES = 16384
    MAX_PURPOSES = 100
    MAX_NAME = 128
    MAX_BASIS = 1024


@cython.final
cdef class Profile:
    """What a record says; see above."""

    cdef bint merge_into(self, Customer customer) except -1:
        """Takes it over; False, and nothing has changed, if the profile would become too large."""
        cdef dict attributes = customer.rare.attributes, consents = customer.rare.consents
        cdef Consent consent
        if self.attributes:
            attributes = {**(attributes or {}), **self.attributes}
            attributes = {name: value for name, value in attributes.items() if value is not None}
            if not is_within_bounds(attributes):
                return False
        if self.consents:
            consents = dict(consents or {})
            for purpose, consent in self.consents.items():
                held = consents.get(purpose)
                if held is None or consent.at >= (<Consent> held).at:
                    consents[purpose] = consent
            if len(consents) > MAX_PURPOSES:
                return False
        customer.own().attributes, customer.rare.consents = attributes or None, consents or None
        return True


cdef Profile profile_of(dict record):
    cdef Profile profile = Profile()
    attributes, consents = record.get("attributes"), record.get("consents")
    if attributes is not None:
        if type(attributes) is not dict:
            return None
        for name in attributes:
            if len(name) > MAX_NAME:
                return None
        profile.attributes = attributes
    if consents is not None:
        if type(consents) is not dict or len(consents) > MAX_PURPOSES:
            return None
        profile.consents = {}
        for purpose, said in consents.items():
            consent = consent_of(said) if len(purpose) <= MAX_NAME else None
            if consent is None:
                return None
            profile.consents[purpose] = consent
    return profile


cdef Consent consent_of(said):
    if type(said) is not dict or type(said.get("granted")) is not bool:
        return None
    at, basis, expires = parse_time(said.get("at")), said.get("basis"), said.get("expires")
    if at is None or not (basis is None or (type(basis) is str and len(basis) <= MAX_BASIS)):
        return None
    if expires is not None:
        expires = parse_time(expires)
        if expires is None:
            return None
    return Consent(said["granted"], at, basis, expires)


cdef dict context_of(dict record):
    for name in record:
        if len(name) > MAX_NAME:
            return None
    return record if is_within_bounds(record) else None


cdef bint is_within_bounds(dict values) except -1:
    """Whether a customer may have so many values, of such a size."""
    try:
        return len(values) <= MAX_ATTRIBUTES and len(orjson.dumps(values)) <= MAX_BYTES
    except orjson.JSONEncodeError:      # nested deeper than it could be stored
        return False
