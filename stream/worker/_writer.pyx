"""What the engine decides as records, packed: no Python object stands for one.

Triggers and decisions carry CloudEvents 1.0 attributes as headers, in the binary mode of its Kafka binding.
Their order: specversion, id, source, type, subject, time, app, content-type, the cause unless a timer fired
it, a `traceparent` where the cause is traced. `sent_at` is known when the batch is done: it is written over
what stood in its place.

Tested by tests/decisions/test_wire.py and tests/worker/test_triggers.py.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t

from stream.decisions._decide cimport Sink
from stream.decisions._json cimport TIME_CHARACTERS, write_time
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


cdef int _put_raw(Buffer out, bytes data) except -1:
    return out.put_raw(<const char *> data, len(data))


cdef bytes SPECVERSION = _header("ce_specversion", b"1.0")
cdef bytes CONTENT_TYPE = _header("content-type", b"application/json")
cdef bytes TRIGGER_TYPE = _header("ce_type", b"trigger")
cdef bytes DECISION_TYPE = _header("ce_type", b"decision")


@cython.final
cdef class RecordWriter(Sink):
    """The records of one partition. `trace`: gives a trigger's `traceparent`, or None."""

    def __init__(self, origin, trace=None):
        self.origin, self.trace = origin, trace
        self.revision = encode(origin.revision)
        self.app = _header(wire.APP, origin.app_id.encode())
        self.sources = {}
        self.causes = {
            source: f"{topic}/{origin.partition}/".encode() for source, topic in origin.topics.items()
        }
        self.value, self.headers = Buffer(), Buffer()
        self.clear()

    def clear(self):
        """Forgets what was told."""
        self.packed, self.outcomes, self.channels, self.appended, self.places = {}, {}, {}, [], []

    def __len__(self):
        """How many decisions were told."""
        return sum(self.outcomes.values())

    def add(self, decision not None, trigger=None):
        """Takes a decision, and the trigger that it led to, as objects."""
        self.tell(of_decision(decision) if trigger is None else of_trigger(trigger), trigger is not None)

    def take(self, int64_t sent_at):
        """The records by target, handed to Kafka at `sent_at` (ms); what is told from now on is new."""
        cdef PackedRecords records
        cdef Py_ssize_t at
        for records, at in self.places:
            write_time(<char *> records.data + at, sent_at)
        packed = {Target(topic): records for topic, records in self.packed.items()}
        self.clear()
        return packed

    cdef int tell(self, Decided decided, bint is_sent) except -1:
        cdef tuple sources = self.sources.get(decided.rule)
        cdef bytes traceparent = None
        cdef PackedRecords records
        cdef Py_ssize_t place
        if sources is None:
            sources = self.sources[decided.rule] = (
                _header("ce_source", source_of_triggers(decided.rule)),
                _header("ce_source", source_of_decisions(decided.rule)),
            )
        if is_sent:
            if self.trace is not None:
                traceparent = self.trace(decided.as_trigger(decided.as_decision()))
            self.value.size = 0
            decided.put_trigger(self.value, self.revision, 0)
            place = self.value.size - decided.sent_at_place
            self.put(decided, decided.topic, sources[0], TRIGGER_TYPE, traceparent)
            records = self.packed[decided.topic]
            self.places.append((records, records.size - self.headers.size - place))
            self.channels[decided.channel] = self.channels.get(decided.channel, 0) + 1
            if not decided.timed:
                self.appended.append(decided.appended_at)
        self.value.size = 0
        decided.put_decision(self.value, self.revision)
        self.put(decided, self.origin.decisions, sources[1], DECISION_TYPE, None)
        key = decided.rule, decided.outcome, decided.reason, decided.channel
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        return 0

    cdef int put(self, Decided decided, str topic, bytes source, bytes type, bytes traceparent) except -1:
        """Packs the value at hand, with its headers."""
        cdef PackedRecords records = self.packed.get(topic)
        cdef Buffer out = self.headers
        cdef char time[TIME_CHARACTERS]
        cdef Py_ssize_t size = 0, id_size = 0
        cdef const char *key = PyUnicode_AsUTF8AndSize(decided.customer_id, &size)
        cdef const char *id
        if records is None:
            records = self.packed[topic] = PackedRecords()
        out.size = 0
        reserve(out, HEADER_ROOM)
        out.size += put_varint(out.data, HEADERS + (decided.offset >= 0) + (traceparent is not None))
        _put_raw(out, SPECVERSION)
        id = PyUnicode_AsUTF8AndSize(decided.trigger_id, &id_size)
        _put(out, ID_NAME, id, id_size)
        _put_raw(out, source)
        _put_raw(out, type)
        _put(out, b"ce_subject", key, size)
        write_time(time, decided.at)
        _put(out, b"ce_time", time, TIME_CHARACTERS)
        _put_raw(out, self.app)
        _put_raw(out, CONTENT_TYPE)
        if decided.offset >= 0:
            self.put_cause(decided)
        if traceparent is not None:
            _put(out, b"traceparent", traceparent, len(traceparent))
        return records.append(
            <const uint8_t *> key, size, self.value.data, self.value.size, out.data, out.size
        )

    cdef int put_cause(self, Decided decided) except -1:
        """Topic, partition and offset of the record that it answers."""
        cdef bytes whole = <bytes> self.causes[decided.source] + b"%d" % decided.offset
        return _put(self.headers, CAUSE_NAME, whole, len(whole))
