"""A match to a decision: the guards' verdict, the message, the trigger.

    id       what was decided of it before a crash stays decided
    judge    the guards, see `_guards`
    render   the texts, also for who is held out: what they would have got must be what the others get
    fits     a message that no batch takes is suppressed
    enter    limits, caps and groups are used up; what quiet hours put off waits

A rule in shadow mode goes the same way, and nothing comes of it: its decision's reason says what would have,
the steps of its texts are not taken from those of other rules, and nothing is entered.

Cost: 5 µs without variables, from the event to packed records; 6.5 with three plain texts
(loadtest/micro/fired.py, `plain` and `text`).
Tested by tests/engine/test_process.py, and against the reference model in tests/reference.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.decisions._experiments cimport variant_of
from stream.decisions._guards cimport Verdict, judge, repeat
from stream.decisions._hash cimport ID_DIGITS, write_trigger_id
from stream.decisions._messages cimport Message
from stream.decisions._sending cimport Sending, Uses, Way, sending_of
from stream.decisions._wire cimport Decided
from stream.matcher._match cimport Match
from stream.state._customer cimport Consent
from stream.state._packed cimport Buffer

from types import MappingProxyType

from stream.decisions._json import encode
from stream.structs import MAX_EVENT_ID as _MAX_EVENT_ID
from stream.structs import MOST_BYTES as _MOST_BYTES
from stream.structs import ConsentProof, SubjectProof, short_id

KAFKAS = MappingProxyType({})       # of every topic what Kafka takes by default
cdef object MOST_BYTES = _MOST_BYTES
cdef Py_ssize_t MAX_EVENT_ID = _MAX_EVENT_ID
cdef enum:
    MAX_FRAME = 32_768       # bytes of a trigger, its headers and its batch, without address and content
    MAX_HEADERS = 1536          # bytes of headers and batch, without customer and rule
    MAX_CHARACTER = 6           # bytes of one in JSON


cdef class Sink:
    cdef int tell(self, Decided decided, bint is_sent) except -1:
        raise NotImplementedError


@cython.final
cdef class Results(Sink):
    def __cinit__(self, result):
        self.result = result

    cdef int tell(self, Decided decided, bint is_sent) except -1:
        decision = decided.as_decision()
        self.result.decisions.append(decision)
        if is_sent:
            self.result.triggers.append(decided.as_trigger(decision))
        elif decided.outcome == "shadow" and decided.reason is None:
            self.result.shadows.append(decided.as_trigger(decision))
        return 0


@cython.final
cdef class Decider:
    """`sink` is told; by default that is `result`."""

    def __cinit__(self, result, arms=None, most_bytes=KAFKAS, Sink sink=None):
        self.result, self.arms, self.most_bytes = result, arms, dict(most_bytes)
        self.content = Buffer()
        self.sink = Results(result) if sink is None else sink

    cdef int decide(self, Match match) except -1:
        cdef Sending sending = sending_of(match.plan(), match.shared.program)
        cdef Decided decided = Decided.__new__(Decided)
        cdef Verdict verdict
        cdef Uses uses
        cdef object prior = None
        cdef bint counts, is_shadow
        cdef int64_t steps = match.shared.text_steps
        decided.event_id = match.event_id       # an earlier release kept it as it came
        if len(match.event_id) > MAX_EVENT_ID:
            decided.event_id = short_id(match.event_id)
        decided.trigger_id = _id_of(match, sending, decided.event_id)
        if match.closed_by is None and match.shared.prior_decisions:
            prior = match.prior_decision(decided.trigger_id)
        if prior is None:
            verdict = judge(match, sending, self.arms)
        else:
            verdict = repeat(match, sending, prior, self.arms)
        counts = verdict.outcome == "sent" or verdict.outcome == "holdout"
        if counts and sending.variants:
            decided.variant = _variant_of(match, sending, self.arms)
        _fill(decided, match, sending, verdict)
        if counts and prior is None:
            counts = self.write(match, sending, verdict, decided)
            decided.outcome, decided.reason = verdict.outcome, verdict.reason
        is_shadow = sending.is_shadow and prior is None     # what was decided live stays so
        if is_shadow:
            match.shared.shadow_steps += match.shared.text_steps - steps
            match.shared.text_steps = steps
            if verdict.until < 0:
                # Whoever compares control groups with others must not find anybody here.
                decided.outcome, decided.held_out_by = "shadow", ()
                self.sink.tell(decided, False)
                return 0
        self.sink.tell(decided, counts and prior is None and verdict.outcome == "sent")
        if verdict.outcome == "suppressed" or verdict.outcome == "shadow":
            return 0
        if not is_shadow:
            match.claim_group()
        if verdict.until >= 0:
            return match.defer(verdict.until)
        for uses in verdict.way.used:
            match.enter(uses.counter, uses.slot, uses.count, prior is not None)
        return 0

    cdef bint write(self, Match match, Sending sending, Verdict verdict, Decided decided) except -1:
        """The message; False if there is none, and then the verdict says why."""
        cdef Way way = verdict.way
        cdef Message message = way.messages[decided.variant]
        cdef Consent said
        # Also for who is held out: what they would have got must be what the others get.
        self.content.size = 0
        unwritten = message.put(match, self.content, self.result)
        if unwritten is not None:
            verdict.outcome, verdict.reason, decided.unwritten = "suppressed", "content", unwritten
            return False
        decided.written = self.content
        decided.topic, decided.priority = way.topic, sending.priority
        decided.appended_at = match.appended_at
        if way.address is not None:
            decided.address = match.address_at(way.address)
        if way.consent is not None:
            said = match.customer.rare.consents[way.consent]
            decided.purpose, decided.granted_at = way.consent, said.at
            decided.basis, decided.expires_at = said.basis, said.expires
        decided.sensitive = ()
        if sending.sensitive:
            decided.sensitive = tuple([_subject(match, on) for on in sending.sensitive])
        if not self.fits(match, sending, decided):
            verdict.outcome, verdict.reason = "suppressed", "size"
            return False
        return True

    cdef bint fits(self, Match match, Sending sending, Decided decided) except -1:
        """Whether a batch takes a trigger. Only one that might not fit is written to find out."""
        cdef Py_ssize_t most = self.most_bytes.get(decided.topic, MOST_BYTES)
        cdef Py_ssize_t address = 0
        cdef Buffer out, common
        if not decided.sensitive and (decided.address is None or type(decided.address) is str):
            if decided.address is not None:
                address = len(<str> decided.address)
            if MAX_FRAME + self.content.size + MAX_CHARACTER * address <= most:
                return True
        out, common = Buffer(), Buffer()
        decided.put_common(common, encode(match.rules.revision))
        decided.put_trigger(out, common, 0)
        around = MAX_HEADERS + 2 * len(match.customer_id.encode()) + len(sending.source)
        return out.size + around <= most


cdef int _fill(Decided decided, Match match, Sending sending, Verdict verdict) except -1:
    """What any decision says."""
    decided.words, decided.rule, decided.goals = sending.words, sending.name, sending.goals
    decided.customer_id, decided.event_name, decided.event_time = (
        match.customer_id, match.event_name, match.event_time
    )
    decided.outcome, decided.reason, decided.channel = verdict.outcome, verdict.reason, verdict.way.name
    decided.at, decided.timed, decided.offset = match.at, match.timed, match.offset
    decided.source = match.source if match.closed_by is None else match.closed_by
    decided.held_out_by, decided.silenced_by = verdict.held_out_by, verdict.silenced_by
    return 0


cdef str _id_of(Match match, Sending sending, str event_id):
    cdef char digits[ID_DIGITS]
    write_trigger_id(digits, sending.stable_id, match.customer_id, match.source, event_id, match.key)
    return digits[:ID_DIGITS].decode("ascii")


cdef str _variant_of(Match match, Sending sending, arms):
    """The name of the customer's variant."""
    if arms is None:
        return variant_of(match.customer_id, sending.name, sending.variants).name
    return arms.variant_of(match.customer_id, sending.name, sending.variants).name


cdef object _subject(Match match, on):
    """What the customer has said for a subject that the guards have found consented to."""
    cdef Consent said = match.customer.rare.consents[on.consent]
    return SubjectProof(on.name, ConsentProof(on.consent, said.at, said.basis, said.expires))
