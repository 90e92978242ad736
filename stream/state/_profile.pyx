"""Profile updates: what a record says of a customer's attributes and consents, and how it is merged.

    {"attributes": {name: value},
     "consents": {purpose: {"granted": bool, "at": time, "basis": text, "expires": time}}}

Either may be missing, not both: attributes that stand beside the customer's id would be lost without a word.
So may `basis` and `expires`, which may be called `expires_at`, as triggers do.
Attributes are merged at the top level, null removes one. `expires` is the first moment at which a consent no
longer holds.

A record in which anything is wrong is put aside whole, but for what it takes back: nobody may be written to
because of a mistake that stands beside a withdrawal. Taken back is

    withdrawn   {"granted": false, …}, whatever else is wrong with it
    unknown     what is no clear grant, such as {"granted": "no"}, null, a grant whose end cannot be read or
                beside which anything else is said, or what stands twice: it counts as withdrawn, and is
                counted. Where `consents` is no object, or stands twice, each purpose is unknown
    shortened   a grant that ends before the one held

Names. A withdrawal is also of the purposes that a human would not tell apart from its own (`plainly`); so is
the key `consents`, or `consent`, whose record is then put aside. A grant is of its very name.

All purposes are withdrawn by `"*"` or `"all"`, and by a record without a value, a tombstone, which takes the
attributes away, too. This is kept as a withdrawal of the purpose `"*"`, in the place of those that it covers:
a grant of any purpose has to be later. So what was granted before somebody was deleted does not come back.

Bounds, of a customer: 200 attributes with names of 128 characters in 16 KiB of JSON, 100 purposes. An update
that would pass them is such a record, too.

Times. Of two consents the later `at` counts, of equal ones the withdrawal. A time ahead of the wall clock
counts as arrival: Kafka's time of the record, or now. A grant with such a time is *doubtful* from then on:
any withdrawal that comes after it counts, whatever its `at`, because nobody knows when the grant was given;
it counts from the grant's time, as another withdrawal may have stood before that.
A withdrawal that says no believable time counts from its arrival; one that says a day, a minute or a second,
from the end of that, but not from later than its arrival.
Where the events are the clock no time is ahead of it.

What a source of `kind: context` says (third-party data, such as the weather) is a record as it came, under
the bounds of attributes, and replaces the one before: nothing of that is merged.
Tested by tests/state/test_profile.py, tests/attacks/test_consents.py and the reference model.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.events._event cimport Event
from stream.state._customer cimport Consent, Customer, Rare

import re
from unicodedata import normalize

import orjson

from stream.clock import time_zone
from stream.events._times import parse_time
from stream.moments import from_number, from_text

cdef enum:
    MAX_ATTRIBUTES = 200
    MAX_BYTES = 16384
    MAX_PURPOSES = 100
    MAX_NAME = 128
    MAX_BASIS = 1024

cdef int64_t SECOND = 1000, DAY = 86_400_000
cdef int64_t FIRST_WITHDRAWAL = 946_684_800_000     # the year 2000: what says less never was set
cdef tuple KNOWN = ("granted", "at", "basis", "expires", "expires_at")
# Parts of names of fields that are not read, in small letters and without anything else.
cdef tuple OPPOSITES = (
    "withdr", "revok", "revoc", "unsub", "optout", "optedout", "deni", "deny", "refus", "reject", "blocked",
    "suppress", "delet", "remov", "cancel", "objected", "objection", "erase", "forg", "stop", "declin",
    "disabl", "inactiv", "invalid",
)
cdef tuple BOUNDS = (
    "expir", "until", "endsat", "endat", "enddate", "endson", "validto", "validthr", "validfor",
)
cdef tuple ENDS = ("end", "ends", "ttl")    # whole names: many words have these in them
cdef tuple STATES = (
    "grant", "activ", "enabl", "consent", "subscri", "optin", "optedin", "allow", "permi", "agree", "valid",
    "given", "accept", "value",
)
# Values in the same writing.
cdef frozenset AGREEING = frozenset((
    "true", "yes", "granted", "given", "active", "enabled", "valid", "optin", "optedin", "subscribed",
    "accepted", "allowed", "agreed", "confirmed", "permitted",
))
cdef frozenset DENYING = frozenset((
    "false", "no", "off", "out", "none", "never", "ended", "closed", "lapsed", "pending", "unknown",
))
cdef object NO_LETTERS = re.compile("[^a-z]+")
cdef str EVERY = "*"        # the purpose that all are of
cdef object clock_of = re.compile("[Tt ]([0-9:]+)(?:[.,]([0-9]+))?").search
cdef tuple LENGTHS = (DAY, 3_600_000, 60_000, SECOND)       # by how many parts a time of day has
# Blanks, what cannot be seen, and quotation marks.
cdef object without = re.compile(
    "[\\x00-\\x20\\x7f-\\xa0\\xad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f"
    "\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3000\\ufe00-\\ufe0f\\ufeff\\U000e0000-\\U000e0fff"
    "\"'`\\u2018-\\u201f\\xab\\xbb\\u2039\\u203a]+"
).sub


@cython.final
cdef class Profile:
    """What a record says; see above."""

    cdef bint takes_back(self) except -1:
        """Whether something of it counts although something is wrong with it."""
        cdef Consent consent
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
            rare.attributes = None
            for consent in held.values():
                if not consent.granted:
                    arrival = max(arrival, consent.at)
            rare.consents = {EVERY: Consent(False, arrival)}
            return True
        for consent in held.values() if bounded else ():
            if consent.at > now:        # of an earlier release
                consent.at, consent.doubtful = now, consent.granted
        for purpose, consent in self.consents.items():
            set_time(consent, self.spans.get(purpose, 1), now, arrival, bounded)
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
        self.take(held, False)
        rare.consents = held or None
        return False

    cdef int take(self, dict consents, bint whole) except -1:
        """Enters what counts; without `whole` only what is taken back. Withdrawals last, so that they win."""
        cdef Consent consent, held
        cdef dict alike = {}        # purposes by what is compared of them
        for purpose in consents:
            alike.setdefault(plainly(purpose), []).append(purpose)
        for purpose, consent in self.consents.items():
            held = consents.get(purpose)
            if not consent.granted or not (whole or shortens(consent, held)):
                continue
            of_purpose = alike.setdefault(self.plain[purpose], [])
            if is_newer(consent, purpose, of_purpose, consents):
                consents[purpose] = consent
                if held is None:
                    of_purpose.append(purpose)
        for purpose, consent in self.consents.items():
            if consent.granted:
                continue
            of_purpose = list(consents) if purpose == EVERY else alike.setdefault(self.plain[purpose], [])
            for other in of_purpose:
                held = consents.get(other)
                if held is None or not counts(consent, held):
                    continue
                if held.at > consent.at:        # it is doubtful
                    consents[other] = Consent(False, held.at, consent.basis, consent.expires)
                elif purpose == EVERY:
                    del consents[other]
                else:
                    consents[other] = consent
            # If there is no room, a hundred are newer than it.
            if purpose not in consents and (whole or (len(consents) < MAX_PURPOSES and is_name(purpose))):
                consents[purpose] = consent
                of_purpose.append(purpose)
        return 0

    cdef int read_all(self, str key, consents, set twice) except -1:
        """Reads what stands under a key that means consents."""
        if twice and (key,) in twice:
            self.consents[EVERY] = self.doubt(EVERY, -1)
        elif type(consents) is dict:
            if len(consents) > MAX_PURPOSES:
                self.blame("consents: more than 100")
            for purpose, said in consents.items():
                self.read(purpose, said, twice and (key, purpose) in twice)
        elif consents is not None:
            self.blame("consents: no object")
            if consents != []:      # which is how some languages write an empty object
                self.consents[EVERY] = self.doubt(EVERY, -1)
        return 0

    cdef int read(self, str purpose, said, bint twice) except -1:
        """Reads what is said of a purpose; `twice`: it, or a part of it, is said twice."""
        cdef Consent consent
        if not is_name(purpose):
            self.blame("consents: a purpose of more than 128 characters")
        if twice or type(said) is not dict:
            consent = self.doubt(purpose, -1)
        else:
            consent = self.consent_of(purpose, said)
        if consent is None:
            return 0
        plain = plainly(purpose)
        if consent.granted and plain == EVERY:
            self.blame("consents: a grant of everything")
            return 0
        if not consent.granted and plain in (EVERY, "all"):
            purpose = EVERY
        if purpose in self.consents:
            consent = self.doubt(purpose, -1)
        self.consents[purpose], self.plain[purpose] = consent, plain
        if not consent.granted and consent.at >= 0:
            self.spans[purpose] = length_of(said["at"])
        return 0

    cdef Consent consent_of(self, str purpose, dict said):
        """What is said of a purpose; None for a grant that cannot be taken, and takes nothing away."""
        granted, at, basis = said.get("granted"), parse_time(said.get("at")), said.get("basis")
        expires, expires_at = said.get("expires"), said.get("expires_at")
        unclear = expires is not None and expires_at is not None
        expires = expires_at if expires is None else expires
        ends = None if expires is None else parse_time(expires)
        withdrawn = at if at is not None and at >= FIRST_WITHDRAWAL else -1
        if at is None:
            self.blame(f"consents.{purpose}: at is no time")
        if ends is None and expires is not None:
            self.blame(f"consents.{purpose}: expires is no time")
        if not is_basis(basis):
            self.blame(f"consents.{purpose}: basis is no text of at most 1,024 characters")
        if granted is False:
            return Consent(False, withdrawn, basis if is_basis(basis) else None, ends)
        if granted is not True or unclear or says_more(said):
            return self.doubt(purpose, withdrawn)
        if at is not None and is_basis(basis) and (ends is not None or expires is None):
            return Consent(True, at, basis, ends)
        # With an end it would end what is held, and nobody knows when.
        return None if expires is None else self.doubt(purpose, withdrawn)

    cdef Consent doubt(self, str purpose, int64_t at):
        """A withdrawal, of what nobody knows."""
        self.unclear = True
        where = "consents" if purpose == EVERY else f"consents.{purpose}"
        self.blame(f"{where}: neither a clear grant nor a withdrawal")
        return Consent(False, at)

    cdef bint blame(self, str what) except -1:
        """Says what is wrong, the first thing; True. A purpose is as it came: `engine` shows known ones."""
        self.flawed = True
        self.what = what if self.what is None else self.what
        return True


cdef bint says_more(dict said) except -1:
    """Whether a field that is not read may take back, or bound, the grant that it stands beside."""
    for name, value in said.items():
        if name not in KNOWN and value is not None and says_otherwise(letters(name), value):
            return True
    return False


cdef bint says_otherwise(str name, value):
    """By its name and value: `source` and `granted_at` say nothing of that, `withdrawn: false` agrees."""
    if holds_any(name, OPPOSITES):
        return value is not False
    if holds_any(name, BOUNDS) or name in ENDS:
        return True
    if name.endswith(("status", "state")):
        return letters(str(value)) not in AGREEING
    if not holds_any(name, STATES):
        return False
    plain = letters(str(value))
    return value == 0 or plain in DENYING or holds_any(plain, OPPOSITES)


cdef str letters(str text):
    return NO_LETTERS.sub("", text[:256].casefold())


cdef bint holds_any(str text, tuple parts):
    return any([part in text for part in parts])


cdef Profile profile_of(Event event):
    cdef Profile profile = Profile.__new__(Profile)
    cdef dict record = event.whole()
    cdef set twice = event.repeated(2)
    attributes = record.get("attributes")
    if twice:
        twice = {path[:2] for path in twice}
    profile.consents, profile.spans, profile.plain = {}, {}, {}
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
    for key, said in record.items():
        if key == "consents":
            profile.read_all(key, said, twice)
        elif plainly(key) in ("consents", "consent") and (said or said is False or (key,) in twice):
            profile.blame("consents: under another name")
            profile.read_all(key, said, twice)
    if "attributes" not in record and "consents" not in record:
        profile.blame("neither attributes nor consents")
    return profile


cdef Profile tombstone():
    cdef Profile profile = Profile.__new__(Profile)
    profile.gone = True
    return profile


cdef int64_t length_of(said) except -1:
    """How many ms a time says that can be read: all of a day, a minute or a second."""
    moment = from_text(said) if type(said) is str else from_number(said)
    if moment is not None:
        return moment.lasts
    clock = clock_of(said)      # ISO 8601
    if clock is None:
        return 7 * DAY if len(said.replace("-", "")) == len("2026W10") else DAY
    whole, fraction = clock.groups("")
    return max(LENGTHS[len(whole.replace(":", "")) // 2] // 10 ** len(fraction), 1)


cdef int set_time(Consent consent, int64_t span, int64_t now, int64_t arrival, bint bounded) except -1:
    """Makes the time of what is said one to believe."""
    if consent.at < 0 or (bounded and consent.at > now):
        consent.at, consent.doubtful = arrival, consent.granted
    elif not consent.granted:
        consent.at = max(consent.at, min(consent.at + span - 1, arrival))
    return 0


cdef bint is_newer(Consent grant, str purpose, list of_purpose, dict consents) except -1:
    """Whether a grant counts against what is held of its purpose, and against withdrawals that are of it."""
    cdef Consent held
    for other in (*of_purpose, EVERY):
        held = consents.get(other)
        if held is not None and (other == purpose or not held.granted) and not counts(grant, held):
            return False
    return True


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


cdef str plainly(str name):
    """What is compared of a name: not its case, width, blanks, quotation marks and what cannot be seen."""
    if name.isascii() and name.isidentifier():
        return name.lower()
    name = without("", name)
    if len(name) > MAX_NAME:        # it is none, and may be the whole record
        return name
    return without("", normalize("NFKC", name)).casefold()


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
