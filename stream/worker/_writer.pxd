"""Decisions and triggers as packed records; the essay is in `_writer.pyx`."""

from libc.stdint cimport int64_t

from stream.decisions._decide cimport Sink
from stream.decisions._wire cimport Decided
from stream.kafka._packed cimport PackedRecords
from stream.state._packed cimport Buffer

cdef class RecordWriter(Sink):
    cdef readonly object origin         # a `decisions.wire.Origin`
    cdef readonly dict outcomes         # (rule, outcome, reason, channel): how many, since the last `take`
    cdef readonly dict channels         # how many triggers, by channel
    cdef readonly list appended         # ms: of the records that caused them, but for those of timers
    cdef object trace                   # None: nothing is traced
    cdef bytes revision                 # as JSON
    cdef bytes app                      # a header, as Kafka has it
    cdef dict sources                   # rule: (of its triggers, of its decisions), the same
    cdef dict causes                    # source: the beginning of `ce_cause`
    cdef dict packed                    # topic: PackedRecords
    cdef Buffer value, headers          # of the record at hand
    cdef list places                    # (PackedRecords, offset) of each `sent_at`

    cdef int put(
        self, Decided decided, str topic, bytes source, bytes type, bytes traceparent
    ) except -1
    cdef int put_cause(self, Decided decided) except -1
