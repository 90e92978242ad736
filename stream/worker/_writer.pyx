"""What the engine decides as records, packed: no Python object stands for one.

Triggers and decisions carry CloudEvents 1.0 attributes as headers, in the binary mode of its Kafka binding.
Their order: specversion, id, source, type, subject, time, app, content-type, the cause unless a timer fired
it, a `traceparent` where the cause is traced. `sent_at` is known when the batch is done: it is written over
what stood in its place.

Tested by tests/decisions/test_wire.py and tests/worker/test_triggers.py.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

from stream.decisions._decide cimport Sink
from stream.decisions._json cimport DIGITS, TIME_CHARACTERS, put_bytes, put_raw, write_digits, write_time
from stream.decisions._wire cimport Decided, of_decision, of_trigger
from stream.kafka._packed cimport HEADER_ROOM, PackedRecords, put_header
from stream.events._varint cimport put_varint
from stream.state._packed cimport Buffer, reserve

from stream.decisions._json import encode
from stream.decisions import wire
from stream.decisions.wire import source_of_decisions, source_of_triggers
from stream.structs import Target

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    bytes PyBytes_FromStringAndSize(const char *data, Py_ssize_t size)

cdef enum:
    HEADERS = 8         # of each record; the cause and a traceparent may be more
cdef bytes ID_NAME = wire.ID.encode(), CAUSE_NAME = wire.CAUSE.encode()


cdef int _put(Buffer out, bytes name, const char *value, Py_ssize_t size) except -1:
    reserve(out, len(name) + size + 2 * HEADER_ROOM)
    out.size += put_header(
        out.data + out.size, <const uint8_t *> <const char *> name, len(name), <const uint8_t *> value, size
    )
    return 0


cdef bytes _header(str name, bytes value):
    cdef Buffer out = Buffer()
    _put(out, name.encode(), value, len(value))
    return PyBytes_FromStringAndSize(<const char *> out.data, out.size)


cdef bytes SPECVERSION = _header("ce_specversion", b"1.0")
cdef bytes CONTENT_TYPE = _header("content-type", b"application/json")
cdef bytes TRIGGER_TYPE = _header("ce_type", b"trigger")
cdef bytes DECISION_TYPE = _header("ce_type", b"decision")


@cython.no_gc
@cython.final
cdef class TopicRecords:
    def __cinit__(self):
        self.records, self.places = PackedRecords(), Buffer()


@cython.final
cdef class RecordWriter(Sink):
    """The records of one partition. `trace`: gives a trigger's `traceparent`, or None."""

    def __init__(self, origin, trace=None):
        self.origin, self.trace = origin, trace
        self.revision = encode(origin.revision)
        self.ours = _header(wire.APP, origin.app_id.encode()) + CONTENT_TYPE
        self.sources = {}
        self.causes = {
            source: f"{topic}/{origin.partition}/".encode() for source, topic in origin.topics.items()
        }
        self.common, self.before, self.after = Buffer(), Buffer(), Buffer()
        self.value, self.headers = Buffer(), Buffer()
        self.clear()

    def clear(self):
        """Forgets what was told."""
        self.outgoing, self.outcomes, self.channels, self.appended = {}, {}, {}, []

    def __len__(self):
        """How many decisions were told."""
        return sum(self.outcomes.values())

    def add(self, decision not None, trigger=None):
        """Takes a decision, and the trigger that it led to, as objects."""
        self.tell(of_decision(decision) if trigger is None else of_trigger(trigger), trigger is not None)

    def take(self, int64_t sent_at):
        """The records by target, handed to Kafka at `sent_at` (ms); what is told from now on is new."""
        cdef TopicRecords outgoing
        cdef Py_ssize_t number
        cdef char time[TIME_CHARACTERS]
        cdef const int64_t *places
        write_time(time, sent_at)
        for outgoing in self.outgoing.values():
            places = <const int64_t *> outgoing.places.data
            for number in range(outgoing.places.size // <Py_ssize_t> sizeof(int64_t)):
                memcpy(outgoing.records.data + places[number], time, TIME_CHARACTERS)
        packed = {Target(topic): (<TopicRecords> each).records for topic, each in self.outgoing.items()}
        self.clear()
        return packed

    cdef int tell(self, Decided decided, bint is_sent) except -1:
        cdef tuple sources = self.sources.get(decided.rule)
        cdef bytes traceparent = None
        cdef TopicRecords outgoing
        cdef int64_t place
        if sources is None:
            sources = self.sources[decided.rule] = (
                _header("ce_source", source_of_triggers(decided.rule)) + TRIGGER_TYPE,
                _header("ce_source", source_of_decisions(decided.rule)) + DECISION_TYPE,
            )
        decided.put_common(self.common, self.revision)
        self.put_headers(decided)
        if is_sent:
            if self.trace is not None:
                traceparent = self.trace(decided.as_trigger(decided.as_decision()))
            self.value.size = 0
            decided.put_trigger(self.value, self.common, 0)
            outgoing = self.put(decided, decided.topic, sources[0], traceparent)
            place = outgoing.records.size - self.headers.size - (self.value.size - decided.sent_at_place)
            put_raw(outgoing.places, &place, sizeof(int64_t))
            self.channels[decided.channel] = self.channels.get(decided.channel, 0) + 1
            if not decided.timed:
                self.appended.append(decided.appended_at)
        self.value.size = 0
        decided.put_decision(self.value, self.common)
        self.put(decided, self.origin.decisions, sources[1], None)
        key = decided.rule, decided.outcome, decided.reason, decided.channel
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        return 0

    cdef int put_headers(self, Decided decided) except -1:
        """Those that a match's records have in common."""
        cdef char time[TIME_CHARACTERS]
        cdef Py_ssize_t size = 0
        cdef const char *text = PyUnicode_AsUTF8AndSize(decided.trigger_id, &size)
        self.before.size = 0
        put_bytes(self.before, SPECVERSION)
        _put(self.before, ID_NAME, text, size)
        text = PyUnicode_AsUTF8AndSize(decided.customer_id, &size)
        self.after.size = 0
        _put(self.after, b"ce_subject", text, size)
        write_time(time, decided.at)
        _put(self.after, b"ce_time", time, TIME_CHARACTERS)
        put_bytes(self.after, self.ours)
        return self.put_cause(decided) if decided.offset >= 0 else 0

    cdef int put_cause(self, Decided decided) except -1:
        """Topic, partition and offset of the record that it answers."""
        cdef Buffer out = self.after
        cdef bytes beginning = self.causes[decided.source]
        cdef char digits[DIGITS]
        cdef int size = write_digits(digits, decided.offset)
        reserve(out, len(CAUSE_NAME) + 2 * HEADER_ROOM)
        out.size += put_varint(out.data + out.size, len(CAUSE_NAME))
        put_bytes(out, CAUSE_NAME)
        out.size += put_varint(out.data + out.size, len(beginning) + size)
        put_bytes(out, beginning)
        return put_raw(out, digits, size)

    cdef TopicRecords put(self, Decided decided, str topic, bytes source, bytes traceparent):
        """Packs the value at hand, with its headers."""
        cdef TopicRecords outgoing = self.outgoing.get(topic)
        cdef Buffer out = self.headers
        cdef Py_ssize_t size = 0
        cdef const char *key = PyUnicode_AsUTF8AndSize(decided.customer_id, &size)
        if outgoing is None:
            outgoing = self.outgoing[topic] = TopicRecords()
        out.size = 0
        reserve(out, HEADER_ROOM)
        out.size += put_varint(out.data, HEADERS + (decided.offset >= 0) + (traceparent is not None))
        put_raw(out, self.before.data, self.before.size)
        put_bytes(out, source)
        put_raw(out, self.after.data, self.after.size)
        if traceparent is not None:
            _put(out, b"traceparent", traceparent, len(traceparent))
        outgoing.records.append(
            <const uint8_t *> key, size, self.value.data, self.value.size, out.data, out.size
        )
        return outgoing
