"""Rules that have begun for a customer, as bytes (`_packed` says of which kinds).

    entry     := length rank sequence source tail
    source    := slot, one more | 00 length bytes       its name, where the layout does not know it
    tail      := flags [deadline] [since] [key] time appended name id event*
    flags     := step << 4 | late | is put off << 1 | has a key << 2 | has a deadline << 3
    name, id  := length bytes                           of the last step's event
    event     := length bytes                           a step's, JSON; of length 0: {}

Times are signed differences: that of the append from that of the event, the others from the customer's
base. An entry of the changelog has the tail, too. What decides whether an instance has to be looked at
comes first: an `Instance` is made only then.
Tested by tests/state/test_customer.py.
"""

cimport cython
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint64_t

from stream.state._packed cimport Buffer, next_number, next_scalar, next_signed
from stream.events._value cimport ABSENT, ValueC, object_of, value_of
from stream.events._times cimport NEVER

import orjson

cdef object dumps = orjson.dumps, loads = orjson.loads


@cython.no_gc
@cython.final
cdef class Instance:
    """A rule that has begun: waits for a step until `deadline`, or fires then unless it is closed.

    What is read of a customer is a copy: one that advances is put in the place of another.
    """


cdef int next_head(const uint8_t **at, int64_t base, HeadC *into) noexcept:
    """Reads what tells whether an instance has to be looked at, and goes past it."""
    cdef uint64_t size
    cdef const uint8_t *cursor = at[0]
    into.at = cursor
    size = next_number(&cursor)
    at[0] = cursor + size
    into.rank = <int> next_number(&cursor)
    into.sequence = <int64_t> next_number(&cursor)
    into.slot = <int> next_number(&cursor) - 1
    into.source = cursor
    if into.slot < 0:
        size = next_number(&cursor)
        cursor += size
    into.end = at[0]
    return read_tail(cursor, base, into)


cdef int read_tail(const uint8_t *at, int64_t base, HeadC *into) noexcept:
    cdef uint64_t flags
    cdef ValueC key
    into.tail = at
    flags = next_number(&at)
    into.step = <int> (flags >> 4)
    into.late = flags & 1
    into.deadline = base + next_signed(&at) if flags & 8 else NEVER
    into.since = base + next_signed(&at) if flags & 2 else -1
    into.key = NULL
    if flags & 4:
        into.key = at
        next_scalar(&at, &key)
    into.rest = at
    return 0


cdef str next_text(const uint8_t **at):
    cdef uint64_t size = next_number(at)
    at[0] += size
    return PyUnicode_DecodeUTF8(<const char *> at[0] - size, size, NULL)


cdef str source_of(const HeadC *head, tuple sources):
    """The name of the source that the last step's event came from."""
    cdef const uint8_t *at = head.source
    return <str> sources[head.slot] if head.slot >= 0 else next_text(&at)


cdef Instance unpack(const HeadC *head, int64_t base, tuple sources):
    cdef Instance instance = Instance.__new__(Instance)
    cdef const uint8_t *at
    cdef ValueC key
    cdef uint64_t size
    instance.rank, instance.step, instance.late = head.rank, head.step, head.late
    instance.sequence, instance.deadline, instance.since = head.sequence, head.deadline, head.since
    instance.source = source_of(head, sources)
    instance.key = ABSENT
    if head.key is not NULL:
        at = head.key
        next_scalar(&at, &key)
        instance.key = object_of(&key)
    at = head.rest
    instance.time = base + next_signed(&at)
    instance.appended_at = instance.time + next_signed(&at)
    instance.name = next_text(&at)
    instance.id = next_text(&at)
    instance.events = []
    for _ in range(head.step):
        size = next_number(&at)
        instance.events.append((<const char *> at)[:size] if size else b"{}")
        at += size
    return instance


cdef bytes without_largest(bytes event):
    """The event without its largest fields, so that it can be kept: within `MAX_KEPT` bytes."""
    cdef Py_ssize_t left = MAX_KEPT - 2
    parts = []
    for place, (name, value) in enumerate(loads(event).items()):
        try:
            part = dumps({name: value})
            part = part[1:len(part) - 1]
        except orjson.JSONEncodeError:      # nested deeper than orjson writes
            continue
        parts.append((len(part) + 1, place, part))
    kept = []
    for size, place, part in sorted(parts):
        left -= size
        if left < 0:
            break
        kept.append((place, part))
    return b"{" + b",".join([part for _, part in sorted(kept)]) + b"}"


cdef int put_head(Buffer out, int rank, int64_t sequence, str source, dict slots) except -1:
    """Writes what stands before the tail, without the length."""
    slot = slots.get(source)
    out.put(rank)
    out.put(sequence)
    if slot is None:
        out.put(0)
        return out.put_text(source)
    return out.put(<uint64_t> slot + 1)


cdef int put_instance(Buffer out, Instance instance, int64_t base, dict slots) except -1:
    """Writes the entry of an instance."""
    cdef Py_ssize_t begin = out.size
    cdef ValueC key
    cdef uint64_t flags = <uint64_t> instance.step << 4 | <uint64_t> instance.late
    put_head(out, instance.rank, instance.sequence, instance.source, slots)
    if instance.since >= 0:
        flags |= 2
    if instance.key is not ABSENT:
        flags |= 4
    if instance.deadline != NEVER:
        flags |= 8
    out.put(flags)
    if instance.deadline != NEVER:
        out.put_signed(instance.deadline - base)
    if instance.since >= 0:
        out.put_signed(instance.since - base)
    if instance.key is not ABSENT:
        value_of(instance.key, &key)
        out.put_scalar(&key)
    out.put_signed(instance.time - base)
    out.put_signed(instance.appended_at - instance.time)
    out.put_text(instance.name)
    out.put_text(instance.id)
    for event in instance.events:
        if event == b"{}":
            out.put(0)
        else:
            out.put(len(<bytes> event))
            out.put_raw(<const char *> <bytes> event, len(<bytes> event))
    return out.put_length(begin)
