"""Decisions and triggers as JSON: the contract's keys in the contract's order, as docs/records.md has them.

What is the same in each record of a rule is written once (`Words`), and what is the same in a match's two
records once a match (`put_common`). All goes into a buffer, without a Python object.

Tested by tests/decisions/test_wire.py.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.decisions._json cimport put_bytes, put_raw, put_text, put_time, put_value
from stream.state._packed cimport Buffer

from functools import lru_cache

import orjson

from stream.decisions._json import encode
from stream.rules import field_paths
from stream.rules.durations import format_duration
from stream.structs import ConsentProof, Decision, EventRef, Trigger

cdef extern from "Python.h":
    bytes PyBytes_FromStringAndSize(const char *data, Py_ssize_t size)


cdef object loads = orjson.loads


@cython.final
cdef class Words:
    pass


@lru_cache(maxsize=4096)    # a rule's are the same in each of its records
def _words(str name, tuple goals, priority):
    cdef Words words = Words()
    written = [
        {
            "on": goal.on,
            "within": format_duration(goal.within),
            "value": field_paths.write(goal.value) if goal.value else None,
        }
        for goal in goals
    ]
    words.name, words.priority = encode(name), encode(priority)
    words.goals, words.goal = encode(written), encode(written[0] if written else None)
    return words


cdef Words words_of(rule_name, tuple goals, priority):
    return _words(rule_name, goals, priority)


@cython.no_gc
@cython.final
@cython.freelist(8)
cdef class Decided:
    cdef int put_common(self, Buffer out, bytes revision) except -1:
        out.size = 0
        self.put_beginning(out, revision)
        self.event_place = out.size
        return self.put_event(out)

    cdef int put_decision(self, Buffer out, Buffer common) except -1:
        put_raw(out, common.data, self.event_place)
        self.put_outcome(out)
        put_raw(out, b',"channel":', 11)
        put_text(out, self.channel)
        put_raw(out, b',"variant":', 11)
        put_text(out, self.variant)
        self.put_reference(out, common)
        self.put_reached(out)
        put_raw(out, b"}", 1)
        return 0

    cdef int put_trigger(self, Buffer out, Buffer common, int64_t sent_at) except -1:
        put_raw(out, common.data, self.event_place)
        self.put_message(out, common, sent_at)
        put_raw(out, b"}", 1)
        return 0

    cdef int put_beginning(self, Buffer out, bytes revision) except -1:
        put_raw(out, b'{"trigger_id":', 14)
        put_text(out, self.trigger_id)
        put_raw(out, b',"rule":', 8)
        put_bytes(out, self.words.name)
        put_raw(out, b',"revision":', 12)
        put_bytes(out, revision)
        put_raw(out, b',"customer_id":', 15)
        return put_text(out, self.customer_id)

    cdef int put_outcome(self, Buffer out) except -1:
        put_raw(out, b',"outcome":', 11)
        put_text(out, self.outcome)
        put_raw(out, b',"reason":', 10)
        return put_text(out, self.reason)

    cdef int put_event(self, Buffer out) except -1:
        put_raw(out, b',"event":{"name":', 17)
        put_text(out, self.event_name if self.event_name else None)     # "": a clock began it
        put_raw(out, b',"id":', 6)
        put_text(out, self.event_id)
        put_raw(out, b',"time":', 8)
        put_time(out, self.event_time)
        put_raw(out, b'},"at":', 7)
        return put_time(out, self.at)

    cdef int put_reference(self, Buffer out, Buffer common) except -1:
        """The same, as it is there already."""
        return put_raw(out, common.data + self.event_place, common.size - self.event_place)

    cdef int put_reached(self, Buffer out) except -1:
        """What decisions alone have."""
        put_raw(out, b',"held_out_by":', 15)
        if self.held_out_by:
            put_value(out, self.held_out_by)
        else:
            put_raw(out, b"[]", 2)
        put_raw(out, b',"goals":', 9)
        put_bytes(out, self.words.goals)
        put_raw(out, b',"unwritten":', 13)
        if self.unwritten is None:
            put_raw(out, b"null", 4)
        else:
            put_value(out, self.unwritten._asdict())
        put_raw(out, b',"silenced_by":', 15)
        return put_text(out, self.silenced_by)

    cdef int put_message(self, Buffer out, Buffer common, int64_t sent_at) except -1:
        """What triggers alone have, and what both have between that."""
        put_raw(out, b',"channel":', 11)
        put_text(out, self.channel)
        put_raw(out, b',"address":', 11)
        put_value(out, self.address)
        put_raw(out, b',"variant":', 11)
        put_text(out, self.variant)
        put_raw(out, b',"content":', 11)
        self.put_content(out)
        self.put_reference(out, common)
        put_raw(out, b',"sent_at":', 11)
        self.sent_at_place = out.size + 1
        if sent_at < 0:
            put_raw(out, b"null", 4)
        else:
            put_time(out, sent_at)
        put_raw(out, b',"priority":', 12)
        put_bytes(out, self.words.priority)
        put_raw(out, b',"goal":', 8)
        put_bytes(out, self.words.goal)
        put_raw(out, b',"consent":', 11)
        if self.purpose is None:
            put_raw(out, b"null", 4)
        else:
            put_raw(out, b"{", 1)
            _put_consent(out, self.purpose, self.granted_at, self.basis, self.expires_at)
        put_raw(out, b',"sensitive":', 13)
        if not self.sensitive:
            return put_raw(out, b"null", 4)
        for number, proof in enumerate(self.sensitive):
            put_raw(out, b',{"subject":' if number else b'[{"subject":', 12)
            put_text(out, proof.subject)
            put_raw(out, b",", 1)
            purpose, granted_at, basis, expires_at = proof.consent
            _put_consent(out, purpose, granted_at, basis, expires_at)
        return put_raw(out, b"]", 1)

    cdef int put_content(self, Buffer out) except -1:
        cdef bint first = True
        if self.written is not None:
            return put_raw(out, self.written.data, self.written.size)
        put_raw(out, b"{", 1)
        for name, text in self.content.items():
            if not first:
                put_raw(out, b",", 1)
            first = False
            put_text(out, name)
            put_raw(out, b":", 1)
            put_text(out, text)
        return put_raw(out, b"}", 1)

    cdef object as_decision(self):
        """A `structs.Decision`."""
        return Decision(
            self.trigger_id, self.rule, self.customer_id, self.outcome, self.reason, self.channel,
            self.variant, EventRef(self.event_name, self.event_id, self.event_time), self.at, self.timed,
            self.source, self.offset, self.held_out_by, self.goals, self.unwritten,
            self.silenced_by,
        )

    cdef object as_trigger(self, decision):
        """A `structs.Trigger`."""
        consent = None
        if self.purpose is not None:
            consent = ConsentProof(self.purpose, self.granted_at, self.basis, self.expires_at)
        content = self.content if self.written is None else loads(_taken(self.written))
        return Trigger(
            decision, self.topic, self.address, content, self.priority, self.appended_at, consent,
            self.sensitive,
        )


cdef int _put_consent(Buffer out, str purpose, int64_t granted_at, str basis, expires_at) except -1:
    """The rest of an object that is about a consent."""
    put_raw(out, b'"purpose":', 10)
    put_text(out, purpose)
    put_raw(out, b',"granted_at":', 14)
    put_time(out, granted_at)
    put_raw(out, b',"basis":', 9)
    put_text(out, basis)
    put_raw(out, b',"expires_at":', 14)
    if expires_at is None:
        put_raw(out, b"null", 4)
    else:
        put_time(out, expires_at)
    return put_raw(out, b"}", 1)


cdef Decided _filled(decision, Words words):
    cdef Decided decided = Decided()
    decided.words, decided.rule = words, decision.rule
    decided.source, decided.offset, decided.timed = decision.source, decision.offset, decision.timed
    decided.trigger_id, decided.customer_id = decision.trigger_id, decision.customer_id
    decided.outcome, decided.reason = decision.outcome, decision.reason
    decided.channel, decided.variant = decision.channel, decision.variant
    decided.event_name, decided.event_id, decided.event_time = decision.event
    decided.at, decided.held_out_by = decision.at, decision.held_out_by
    decided.goals, decided.unwritten = decision.goals, decision.unwritten
    decided.silenced_by = decision.silenced_by
    return decided


cdef Decided of_decision(decision):
    return _filled(decision, _words(decision.rule, decision.goals, 0))


cdef Decided of_trigger(trigger):
    decision = trigger.decision
    cdef Decided decided = _filled(decision, _words(decision.rule, decision.goals, trigger.priority))
    decided.address, decided.content = trigger.address, trigger.content
    decided.sensitive, decided.topic = trigger.sensitive, trigger.topic
    decided.appended_at = trigger.appended_at
    if trigger.consent is not None:
        decided.purpose, decided.granted_at, decided.basis, decided.expires_at = trigger.consent
    return decided


cdef bytes _taken(Buffer out):
    return PyBytes_FromStringAndSize(<const char *> out.data, out.size)


def decision_json(decision, str revision not None):
    """A decision's record."""
    cdef Buffer out = Buffer(), common = Buffer()
    cdef Decided decided = of_decision(decision)
    decided.put_common(common, encode(revision))
    decided.put_decision(out, common)
    return _taken(out)


def trigger_json(trigger, str revision not None, sent_at):
    """A trigger's record; `sent_at` is None where nothing is sent."""
    cdef Buffer out = Buffer(), common = Buffer()
    cdef Decided decided = of_trigger(trigger)
    decided.put_common(common, encode(revision))
    decided.put_trigger(out, common, -1 if sent_at is None else sent_at)
    return _taken(out)


def trigger_line(trigger, str revision not None):
    """A trigger that nobody sends, with what its decision says besides."""
    cdef Buffer out = Buffer(), common = Buffer()
    cdef Decided decided = of_trigger(trigger)
    decided.put_common(common, encode(revision))
    put_raw(out, common.data, decided.event_place)
    decided.put_message(out, common, -1)
    decided.put_outcome(out)
    decided.put_reached(out)
    put_raw(out, b"}", 1)
    return _taken(out)
