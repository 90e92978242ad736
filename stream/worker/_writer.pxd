"""Decisions and triggers as packed records; the essay is in `_writer.pyx`."""

from libc.stdint cimport int64_t

from stream.decisions._decide cimport Sink
from stream.decisions._wire cimport Decided
from stream.kafka._packed cimport PackedRecords
from stream.state._packed cimport Buffer

cdef class TopicRecords:
    """What was written for a topic."""
    cdef PackedRecords records
    cdef Buffer places                  # int64_t each: where a `sent_at` stands in `records`

cdef class RecordWriter(Sink):
    cdef readonly object origin         # a `decisions.wire.Origin`
    cdef readonly dict outcomes         # (rule, outcome, reason, channel): how many, since the last `take`
    cdef readonly dict channels         # how many triggers, by channel
    cdef readonly list appended         # ms: of the records that caused them, but for those of timers
    cdef object trace                   # None: nothing is traced
    cdef bytes revision                 # as JSON
    cdef bytes ours                     # headers that are the same in all records, as Kafka has them
    cdef dict sources                   # rule: (of its triggers, of its decisions), the same: source, type
    cdef dict causes                    # source: the beginning of `ce_cause`
    cdef dict outgoing                  # topic: TopicRecords
    cdef Buffer common                  # what the records of the match at hand have in common
    cdef Buffer before, after           # headers before and after the source, the same
    cdef Buffer value, headers          # of the record at hand

    cdef int put_headers(self, Decided decided) except -1
    cdef int put_cause(self, Decided decided) except -1
    cdef TopicRecords put(self, Decided decided, str topic, bytes source, bytes traceparent)
