"""A match to a decision: the guards' verdict, the message, the trigger.

    id       what was decided of it before a crash stays decided
    judge    the guards, see `_guards`
    render   the texts, also for who is held out: what they would have got must be what the others get
    fits     a message that no batch takes is suppressed
    enter    limits, caps and groups are used up; what quiet hours put off waits

Cost: 2 us without text, see loadtest/micro/fired.py.
Tested by tests/engine/test_process.py, and against the reference model in tests/reference.
"""

cimport cython
from libc.math cimport INFINITY, log

from stream.decisions._guards cimport Verdict, judge, repeat
from stream.decisions._hash cimport ID_DIGITS, number_of, write_trigger_id
from stream.decisions._sending cimport Sending, Uses, Way, sending_of
from stream.matcher._match cimport Match

from types import MappingProxyType

from stream.decisions.facts import render
from stream.decisions.wire import fits
from stream.structs import MOST_BYTES as _MOST_BYTES
from stream.structs import ConsentProof, Decision, EventRef, SubjectProof, Trigger, Unwritten, short_id

KAFKAS = MappingProxyType({})       # of every topic what Kafka takes by default
cdef object MOST_BYTES = _MOST_BYTES


cdef str _id_of(Match match, Sending sending, str event_id):
    cdef char digits[ID_DIGITS]
    write_trigger_id(digits, sending.stable_id, match.customer_id, match.source, event_id, match.key)
    return digits[:ID_DIGITS].decode("ascii")


cdef object _variant_of(str customer, Sending sending, arms):
    """The customer's variant, see `experiments`."""
    cdef double best = -1, score, drawn
    if arms is not None:
        return arms.variant_of(customer, sending.name, sending.rule.variants)
    chosen = None
    for variant in sending.rule.variants:
        drawn = (<double> number_of(customer, f"variant:{sending.name}:{variant.name}") + 0.5) / 2.0 ** 64
        score = <double> variant.share / -log(drawn) if drawn < 1 else INFINITY
        if score > best:
            chosen, best = variant, score
    return chosen


cdef object _proof(Match match, str purpose):
    """What the customer has said for a purpose that the guards have found consented to."""
    said = match.consents[purpose]
    return ConsentProof(purpose, said.at, said.basis, said.expires)


cdef object _message(Match match, Sending sending, Way way, decision, content):
    return Trigger(
        decision, way.topic, None if way.channel.address is None else match.address(way.channel), content,
        sending.rule.priority, match.appended_at,
        None if way.consent is None else _proof(match, way.consent),
        tuple([SubjectProof(on.name, _proof(match, on.consent)) for on in sending.rule.sensitive]),
    )


@cython.final
cdef class Decider:
    def __cinit__(self, result, arms=None, most_bytes=KAFKAS):
        self.result, self.arms, self.most_bytes = result, arms, most_bytes

    cdef int decide(self, Match match) except -1:
        cdef Sending sending = sending_of(match.plan(), match.shared.program)
        cdef str event_id = match.event_id if len(match.event_id) <= 256 else short_id(match.event_id)
        cdef str id = _id_of(match, sending, event_id)
        cdef Verdict verdict
        cdef Uses uses
        cdef object content = None, variant = None, prior = None, decision, trigger = None
        cdef bint counts
        if match.closed_by is None and match.shared.prior_decisions:
            prior = match.prior_decision(id)
        if prior is None:
            verdict = judge(match, sending, self.arms)
        else:
            verdict = repeat(match, sending, prior, self.arms)
        counts = verdict.outcome == "sent" or verdict.outcome == "holdout"
        if counts:
            if sending.rule.variants:
                variant = _variant_of(match.customer_id, sending, self.arms)
            if prior is None:
                content = render(match, variant or sending.rule, verdict.way.channel, self.result)
                if isinstance(content, Unwritten):
                    verdict.outcome, verdict.reason, counts = "suppressed", "content", False
        decision = Decision(
            id, sending.name, match.customer_id, verdict.outcome, verdict.reason, verdict.way.name,
            None if variant is None else variant.name, EventRef(match.event_name, event_id, match.event_time),
            match.at, match.timed, match.closed_by or match.source, match.offset, verdict.held_out_by,
            sending.rule.goals, content if isinstance(content, Unwritten) else None,
        )
        if counts and prior is None:
            trigger = _message(match, sending, verdict.way, decision, content)
            if not fits(trigger, match.rules.revision, self.most_bytes.get(verdict.way.topic, MOST_BYTES)):
                verdict.outcome, verdict.reason, counts = "suppressed", "size", False
                decision = decision._replace(outcome="suppressed", reason="size")
        self.result.decisions.append(decision)
        if verdict.outcome == "suppressed":
            return 0
        match.claim_group()
        if verdict.until >= 0:
            return match.defer(verdict.until)
        for uses in verdict.way.used:
            match.enter(uses.counter, uses.slot, uses.count, prior is not None)
        if verdict.outcome == "sent" and trigger is not None:
            self.result.triggers.append(trigger)
        return 0


def decide(Match match not None, result not None, arms=None, most_bytes=KAFKAS):
    """Makes a match a decision, and a trigger if nothing refuses it. `most_bytes`: of a batch, by topic."""
    Decider(result, arms, most_bytes).decide(match)
