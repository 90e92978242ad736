"""Profile updates: what a record says of a customer's attributes and consents, and how it is merged.

    {"attributes": {name: value},
     "consents": {purpose: {"granted": bool, "at": time, "basis": text, "expires": time}}}

Either may be missing, and so may `basis` and `expires`. Attributes are merged at the top level, null removes
one. `expires` is the first moment at which a consent no longer holds. A record without a value, a tombstone,
takes all of the profile away.

A record in which anything is wrong is put aside whole, but for what it takes back: nobody may be written to
because of a mistake that stands beside a withdrawal. Taken back is

    withdrawn   {"granted": false, …}, whatever else is wrong with it
    unknown     what is no clear grant, such as {"granted": "no"}, null, or a grant whose end cannot be read:
                it counts as withdrawn, and is counted. Where `consents` is no object, each purpose is unknown
    shortened   a grant that ends before the one held

Bounds, of a customer: 200 attributes with names of 128 characters in 16 KiB of JSON, 100 purposes. An update
that would pass them is such a record, too.

Times. Of two consents the later `at` counts, of equal ones the withdrawal. A time ahead of the wall clock
counts as arrival: Kafka's time of the record, or now. A grant with such a time is *doubtful* from then on:
any withdrawal that comes after it counts, whatever its `at`, because nobody knows when the grant was given.
A withdrawal that says no believable time counts from its arrival; one that says a day, from that day's end.
Where the events are the clock no time is ahead of it.

What a source of `kind: context` says (third-party data, such as the weather) is a record as it came, under
the bounds of attributes, and replaces the one before: nothing of that is merged.
Tested by tests/state/test_profile.py, tests/attacks/test_consents.py and the reference model.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.state._customer cimport Consent, Customer, Rare

import orjson

from stream.clock import time_zone
from stream.events._times import parse_time

cdef enum:
    MAX_ATTRIBUTES = 200
    MAX_BYTES = 16384
    MAX_PURPOSES = 100
    MAX_NAME = 128
    MAX_BASIS = 1024

cdef int64_t DAY = 86_400_000
cdef int64_t FIRST_WITHDRAWAL = 946_684_800_000     # the year 2000: what says less never was set
cdef tuple TAKEN_BACK = ("withdrawn", "withdrawn_at", "revoked", "revoked_at")
cdef tuple NOT_SAID = (None, False)


@cython.final
cdef class Profile:
    """What a record says; see above."""

    cdef bint takes_back(self) except -1:
        """Whether something of it counts although something is wrong with it."""
        cdef Consent consent
        if self.all_unknown:
            return True
        for consent in self.consents.values():
            if not consent.granted or consent.expires is not None:
                return True
        return False

    cdef bint merge_into(self, Customer customer, int64_t now, int64_t arrival, bint bounded) except -1:
        """Takes it over; False if not all of it could be taken: then only what it takes back has been.

        `now`: the wall clock, or that of the events, which does not bound what is said (`bounded`).
        """
        cdef Rare rare = customer.own()
        cdef Consent consent
        cdef bint flawed = self.flawed
        cdef dict held = dict(rare.consents or {}), consents, attributes = rare.attributes or {}
        if self.gone:
            rare.attributes = rare.consents = None
            return True
        for consent in held.values() if bounded else ():
            if consent.at > now:        # of an earlier release
                consent.at, consent.doubtful = now, consent.granted
        for consent in self.consents.values():
            set_time(consent, now, arrival, bounded)
        consents = dict(held)
        if not flawed and self.attributes:
            attributes = {**attributes, **self.attributes}
            attributes = {name: value for name, value in attributes.items() if value is not None}
            if not is_within_bounds(attributes):
                flawed = self.blame("attributes: more than 200, or than 16 KiB")
        if not flawed:
            self.take(consents, True)
            if len(consents) > MAX_PURPOSES:
                flawed = self.blame("consents: more than 100")
        if not flawed:
            rare.attributes, rare.consents = attributes or None, consents or None
            return True
        if self.all_unknown:
            for purpose in held:
                self.consents[purpose] = Consent(False, arrival)
        self.take(held, False)
        rare.consents = held or None
        return False

    cdef int take(self, dict consents, bint whole) except -1:
        """Enters what counts; without `whole` only what is taken back. Withdrawals last, so that they win."""
        cdef Consent consent, held
        cdef dict alike = {}        # purposes by what is compared of them
        for purpose, consent in self.consents.items():
            held = consents.get(purpose)
            if consent.granted and (whole or shortens(consent, held)) and counts(consent, held):
                consents[purpose] = consent
        for purpose in consents:
            alike.setdefault(plainly(purpose), []).append(purpose)
        for purpose, consent in self.consents.items():
            if consent.granted:
                continue
            of_purpose = alike.setdefault(plainly(purpose), [])
            for other in of_purpose:
                if counts(consent, consents[other]):
                    consents[other] = consent
            if purpose not in consents and (whole or (len(consents) < MAX_PURPOSES and is_name(purpose))):
                consents[purpose] = consent
                of_purpose.append(purpose)
        return 0

    cdef int read(self, str purpose, said) except -1:
        """Reads what is said of a purpose."""
        cdef Consent consent = Consent(False, -1)
        if not is_name(purpose):
            self.blame("consents: a purpose of more than 128 characters")
        self.consents[purpose] = consent
        if type(said) is not dict:
            return self.doubt(purpose)
        granted, at, basis, expires = (
            said.get("granted"), parse_time(said.get("at")), said.get("basis"), said.get("expires")
        )
        ends = None if expires is None else parse_time(expires)
        if at is None:
            self.blame(f"consents.{purpose}: at is no time")
        if ends is None and expires is not None:
            self.blame(f"consents.{purpose}: expires is no time")
        if not is_basis(basis):
            self.blame(f"consents.{purpose}: basis is no text of at most 1,024 characters")
        if granted is False:
            consent.at, consent.expires = withdrawn_at(said.get("at"), at), ends
            consent.basis = basis if is_basis(basis) else None
        elif granted is not True or says_taken_back(said):
            consent.at = withdrawn_at(said.get("at"), at)
            return self.doubt(purpose)
        elif at is not None and is_basis(basis) and (ends is not None or expires is None):
            self.consents[purpose] = Consent(True, at, basis, ends)
        elif expires is not None:       # it would end what is held, and nobody knows when
            return self.doubt(purpose)
        else:
            del self.consents[purpose]
        return 0

    cdef int doubt(self, str purpose) except -1:
        self.unclear = True
        self.blame(f"consents.{purpose}: neither a clear grant nor a withdrawal")
        return 0

    cdef bint blame(self, str what) except -1:
        """Says what is wrong, the first thing; True. A purpose is as it came: `engine` shows known ones."""
        self.flawed = True
        self.what = what if self.what is None else self.what
        return True


cdef bint says_taken_back(dict said) except -1:
    """Whether a grant says beside it that it was withdrawn."""
    for name in TAKEN_BACK:
        if said.get(name) not in NOT_SAID:
            return True
    return False


cdef Profile profile_of(dict record):
    cdef Profile profile = Profile.__new__(Profile)
    attributes, consents = record.get("attributes"), record.get("consents")
    profile.consents = {}
    if attributes is not None:
        if type(attributes) is not dict:
            profile.blame("attributes: no object")
        else:
            profile.attributes = attributes
            for name in attributes:
                if not is_name(name):
                    profile.blame("attributes: a name of more than 128 characters")
            zone = attributes.get("timezone")
            profile.nowhere = zone is not None and time_zone(zone) is None
    if type(consents) is dict:
        if len(consents) > MAX_PURPOSES:
            profile.blame("consents: more than 100")
        for purpose, said in consents.items():
            profile.read(purpose, said)
    elif consents is not None:
        profile.blame("consents: no object")
        if consents != []:      # which is how some languages write an empty object
            profile.all_unknown = profile.unclear = True
    return profile


cdef Profile tombstone():
    cdef Profile profile = Profile.__new__(Profile)
    profile.gone = True
    return profile


cdef int64_t withdrawn_at(said, at) except -2:
    """When a withdrawal was given, -1 where that is not known."""
    if at is None or at < FIRST_WITHDRAWAL:
        return -1
    return <int64_t> at + DAY - 1 if type(said) is str and len(said) == 10 else at


cdef int set_time(Consent consent, int64_t now, int64_t arrival, bint bounded) except -1:
    """Makes the time of what is said one to believe."""
    if bounded and consent.at > now:
        consent.at, consent.doubtful = arrival, consent.granted
    if not consent.granted and (consent.at < 0 or (consent.at > arrival and consent.at % DAY == DAY - 1)):
        consent.at = arrival
    return 0


cdef bint counts(Consent consent, Consent held) noexcept:
    """Whether what is said of a purpose counts against what is held of it."""
    if held is None or consent.at > held.at:
        return True
    if consent.granted:
        return consent.at == held.at and held.granted
    return consent.at == held.at or held.doubtful


cdef bint shortens(Consent consent, Consent held) except -1:
    """Whether a grant ends before the one that is held."""
    if held is None or not held.granted or consent.expires is None:
        return False
    return held.expires is None or consent.expires < held.expires


cdef bint is_name(str name) noexcept:
    return len(name) <= MAX_NAME


cdef bint is_basis(basis) noexcept:
    return basis is None or (type(basis) is str and len(<str> basis) <= MAX_BASIS)


cdef str plainly(str purpose):
    return purpose.strip().casefold()


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
