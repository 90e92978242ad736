"""Records to events: what a source's mapping says, applied to the record that comes next.

Only the head of a source is decoded, into memory that is used again for the next one (`_event`). What is
not an event becomes a dead letter when its turn comes: what is not UTF-8, nested deeper than 1,024 levels, or
has numbers that no double holds is not JSON.

Readings of the contract: a mapped time or id that an event lacks is as if none were mapped; a time that
is there but unreadable makes a dead letter; an event's name is not empty. A profile update that is one of
these, and takes a consent back, becomes the head all the same (`_profile`).

Tombstones. A record without a value, on a source of profiles or context: what it has said of the customer is
gone. Who that is, is the record's key; there is nothing else. A value that says nothing is none: blanks,
`null` and an empty text among them.

Clocks. The bound is the wall clock, where it rules: a time more than five minutes ahead of it counts as the
record's own, and if that is ahead, too, as now. Such a head has no place of its own among the events: it
comes right after those before it, and says nothing of how far its source is.

Cost: 0.5 µs for 200 bytes, of which reading the JSON is 0.3.
Tested by tests/engine/test_fastmatch.py.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdio cimport snprintf

from stream.events._event cimport Event, Fields
from stream.events._murmur cimport partition_of_text
from stream.events._taken cimport AN_OBJECT, TakenRecords
from stream.state._profile cimport Profile, context_of, profile_of, tombstone
from stream.matcher._program cimport Program
from stream.events._times cimport LATEST, NEVER, milliseconds_of
from stream.events._value cimport KIND_INTEGER, KIND_MISSING, KIND_TEXT, KIND_UNSIGNED, ValueC, object_of

import re

import orjson

from stream.structs import MAX_EVENT_ID as _MAX_EVENT_ID
from stream.structs import DeadLetter, short_id

MAX_EVENT_BYTES = 1 << 20
MAX_CUSTOMER_ID = 256
FUTURE_MS = 300_000     # how far ahead of the wall clock an event's time may be
MAX_OVERDUE = 86_400_000    # ms; later than this no timer fires, unless its rule's `stale_after` is longer

cdef enum:
    DEAD_WORK = 10      # of a dead letter, beside its reading
    SAMPLED = 1000      # of so many records one is compared with the partition that its customer belongs to

cdef Py_ssize_t max_event_bytes = MAX_EVENT_BYTES, max_customer_id = MAX_CUSTOMER_ID
cdef Py_ssize_t max_event_id = _MAX_EVENT_ID
cdef int64_t future_ms = FUTURE_MS, max_overdue = MAX_OVERDUE
cdef object says_nothing = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:null|"\s*")?\s*').fullmatch
cdef object loads = orjson.loads


cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL


cdef Py_ssize_t characters(const char *text, Py_ssize_t size) noexcept:
    """How many there are in UTF-8."""
    cdef Py_ssize_t at, count = 0
    for at in range(size):
        count += (<uint8_t> text[at] & 0xC0) != 0x80
    return count


# --- the records of one source -----------------------------------------------------------------

@cython.final
cdef class SourceQueue:
    """The records of a source that are at hand, in order; the first of them decoded."""

    def __cinit__(self, source, int slot, Program program not None):
        cdef Fields fields = program.fields
        self.source = source
        self.name = source.name
        self.slot = slot
        self.program, self.event = program, Event(fields)
        self.of_profiles = source.kind == "profile"
        self.of_context = source.kind == "context"
        self.dedupe = -1 if source.dedupe is None else source.dedupe
        if source.constant is not None:
            self.constant = program.plans.get(source.constant)
        self.customer_field = fields.slot(source.customer)
        self.event_field = -1 if source.event is None else fields.slot(source.event)
        self.time_field = -1 if source.time is None else fields.slot(source.time)
        self.id_field = -1 if source.id is None else fields.slot(source.id)
        self.waiting = []
        self.records = ()
        self.reached = self.position = -1

    cdef Py_ssize_t at_hand(self) noexcept:
        cdef Py_ssize_t count = self.count - self.at + self.ready
        for records in self.waiting:
            count += len(records)
        return count

    cdef bint at_end(self) noexcept:
        """Whether nothing more comes, if the head is not ready."""
        return self.ended and not self.is_halted()

    cdef bint is_halted(self) noexcept:
        """Whether records are at hand, but no head: the dead letters before it were too many for one call."""
        return not self.ready and (self.at < self.count or len(self.waiting) > 0)

    cdef int feed(self, object records) except -1:
        if len(records):
            self.waiting.append(records)
        return 0

    cdef int64_t advance(self, object result, int64_t wall, int64_t work) except -1:
        """Decodes the head, with dead letters on the way until they have taken `work`; what they have taken.

        If it is not `ready` then, nothing is at hand or the next call goes on.
        """
        cdef str reason
        cdef int64_t taken = 0
        while not self.ready and taken < max(work, 1):
            if self.at == self.count:
                if not self.waiting:
                    self.let_go()
                    break
                self.records = self.waiting.pop(0)
                self.taken = self.records if type(self.records) is TakenRecords else None
                self.at, self.count = 0, len(self.records)
            self.event.forget()
            self.find_head()
            self.at += 1
            reason = self.refusal(wall)
            if reason is None:
                self.ready = True
            else:
                self.position = self.head.offset + 1
                result.dead_letters.append(self.dead_letter(reason))
                taken += DEAD_WORK + self.event.work()
        return taken

    cdef int let_go(self) except -1:
        """Lets go of records that were all decoded."""
        self.records, self.taken = (), None
        self.at = self.count = 0
        return 0

    cdef int find_head(self) except -1:
        """Where the next record lies: of one that is an object, its value does."""
        self.record = self.value = None
        if self.taken is not None and self.taken.records[self.at].value_size != AN_OBJECT:
            self.head = self.taken.records[self.at]
            return 0
        self.record = self.records[self.at]
        self.head.offset, self.head.timestamp = self.record.offset, self.record.timestamp
        self.head.value, self.head.value_size = NULL, -1
        value = self.record.value
        if value is not None:
            self.value = value if type(value) is bytes else bytes(value)
            self.head.value = <const uint8_t *> PyBytes_AS_STRING(self.value)
            self.head.value_size = <int32_t> len(self.value)
        return 0

    cdef object whole_record(self):
        if self.record is None:
            self.record = self.taken.at(self.at - 1)
        return self.record

    cdef str refusal(self, int64_t wall):
        """Decodes the head; the reason if it is not an event."""
        cdef ValueC *found
        cdef str flaw
        self.gone = (self.of_profiles or self.of_context) and (
            self.head.value_size < 0 or says_nothing(self.whole_record().value) is not None
        )
        self.flaw = self.named = None
        self.id = NULL
        if self.gone:
            return self.farewell(wall)
        if self.head.value_size < 0:
            return "json"
        if self.head.value_size > max_event_bytes:
            return "size"
        if not self.event.read_at(<const char *> self.head.value, self.head.value_size):
            return "json"
        if not self.find_customer() and not self.of_profiles:
            return "customer"
        if self.of_profiles:
            self.plan, self.profile = None, profile_of(self.event)
        elif self.of_context:
            self.plan, self.context = None, context_of(self.event.whole())
            if self.context is None:
                return "context"
        elif self.event_field < 0:
            self.plan = self.constant
        else:
            found = &self.event.values[self.event_field]
            if found.kind != KIND_TEXT or found.size == 0:
                return "event"
            self.plan = self.program.plan_of(found)
        if self.time_field >= 0 and self.event.values[self.time_field].kind != KIND_MISSING:
            flaw = self.date(milliseconds_of(&self.event.values[self.time_field]), wall)
        else:
            flaw = self.date(self.head.timestamp, wall)
        if self.of_profiles:
            if self.id is NULL:
                flaw = "customer"
                self.find_customer_in_key()
            flaw = self.weigh(flaw)
        if flaw is None and self.partitions > 1:
            if self.unsampled == 0:
                self.compare_partition()
            self.unsampled -= 1
        return flaw

    cdef str weigh(self, str flaw):
        """The reason for which a profile update is no head: something is wrong, and it takes nothing back."""
        cdef Profile profile = self.profile
        self.flaw = flaw
        if flaw is None and not profile.flawed:
            return None
        profile.flawed = True       # its customer or time may be wrong, and nothing else
        if self.id is not NULL and profile.takes_back():
            return None
        if flaw is not None:
            return flaw
        return "profile"

    cdef str farewell(self, int64_t wall):
        """Makes a tombstone the head; the reason if it is of nobody."""
        self.plan = None
        if not self.find_customer_in_key():
            return "customer"
        if self.of_profiles:
            self.profile = tombstone()
        else:
            self.context = {}
        return self.date(self.head.timestamp, wall)

    cdef str date(self, int64_t written, int64_t wall):
        """Says when the head was, and where it comes; the reason if that is not known.

        What takes a consent back counts all the same: then the time is its arrival.
        """
        cdef int64_t stamped = self.head.timestamp
        cdef bint bounded = self.latest != LATEST
        cdef bint believed = not bounded or 0 <= stamped <= wall + future_ms
        self.offset = self.base + self.head.offset
        self.appended_at = min(max(stamped, 0), LATEST) if believed else wall
        self.time, self.from_future = written, written > wall + future_ms
        if self.from_future and (bounded or written <= LATEST):
            self.time = self.appended_at
        self.place = self.time if believed or not self.from_future else self.reached
        if 0 <= self.time <= LATEST:
            return None
        self.time = self.appended_at
        self.place = self.time if believed else self.reached
        return "time"

    cdef int compare_partition(self) except -1:
        """Whether the head is where Kafka's Java clients would have put its customer."""
        self.unsampled = SAMPLED
        self.misplaced += partition_of_text(self.customer(), self.partitions) != self.partition
        return 0

    cdef str customer(self):
        """The customer's id; there is one."""
        if self.named is None:
            self.named = PyUnicode_DecodeUTF8(self.id, self.id_size, NULL)
        return self.named

    cdef bint find_customer(self) except -1:
        """The customer of the record; False if there is none."""
        cdef ValueC *found = &self.event.values[self.customer_field]
        if found.kind == KIND_TEXT and 0 < found.size <= 4 * max_customer_id:
            if found.size <= max_customer_id or characters(found.of.text, found.size) <= max_customer_id:
                self.id, self.id_size = found.of.text, found.size
        elif found.kind == KIND_INTEGER:
            self.id_size = snprintf(self.digits, 24, "%lld", <long long> found.of.integer)
            self.id = self.digits
        elif found.kind == KIND_UNSIGNED:
            self.id_size = snprintf(self.digits, 24, "%llu", <unsigned long long> found.of.unsigned)
            self.id = self.digits
        return self.id is not NULL

    cdef bint find_customer_in_key(self) except -1:
        """The customer of the record's key, as text or as JSON; False if there is none."""
        cdef bytes key = self.whole_record().key
        if key is None:
            return False
        if key[:1] == b"{":
            return self.event.read(key) and self.find_customer()
        try:
            return self.name_customer(loads(key) if key[:1] == b'"' else key.decode())
        except ValueError:
            return False

    cdef bint name_customer(self, str id) except -1:
        """Says who the customer is; False if nobody can be called so."""
        if not 0 < len(id) <= max_customer_id:
            return False
        self.named, self.id = id, PyUnicode_AsUTF8AndSize(id, &self.id_size)
        return True

    cdef str mapped_id(self):
        """The event's id, as its source maps it; None if there is none."""
        cdef ValueC *found
        cdef str id
        if self.id_field >= 0:
            found = &self.event.values[self.id_field]
            if found.kind == KIND_TEXT and found.size:
                id = object_of(found)
                return id if len(id) <= max_event_id else short_id(id)
            if found.kind == KIND_INTEGER or found.kind == KIND_UNSIGNED:
                return str(object_of(found))
        return None

    cdef str event_id(self, int partition):
        cdef str id = self.mapped_id()
        return f"{self.source.topic}/{partition}/{self.offset}" if id is None else id

    cdef object dead_letter(self, str reason):
        if reason == "profile":
            return DeadLetter(self.name, reason, self.whole_record(), (<Profile> self.profile).what)
        return DeadLetter(self.name, reason, self.whole_record())

    cdef int consume(self) except -1:
        """The head has been applied."""
        self.ready = False
        self.position = self.offset - self.base + 1
        self.reached = max(self.reached, min(self.place, self.latest))
        self.event.forget()
        self.record = self.profile = self.context = None
        return 0


# --- their merge -------------------------------------------------------------------------------

@cython.final
cdef class SourceQueues:
    """The queues of all sources, merged by event time; how far they have come is the watermark."""

    def __cinit__(self):
        self.queues, self.by_name = [], {}
        self.floor = -1

    cdef int link(self, rules, Program program) except -1:
        """Makes the queues of the present sources; what is at hand of sources that stay is decoded anew."""
        cdef SourceQueue queue, old
        queues = []
        for slot, source in enumerate(rules.sources):
            queue = SourceQueue(source, slot, program)
            old = self.by_name.get(source.name)
            if old is not None:
                queue.reached, queue.base = old.reached, old.base
                rest = [old.whole_record()] if old.ready else []
                queue.feed(rest + list(old.records[old.at:]))
                for records in old.waiting:
                    queue.feed(records)
            queues.append(queue)
        # Equal event times go in the order of the sources' names.
        self.queues = sorted(queues, key=lambda each: (<SourceQueue> each).name)
        self.by_name = {(<SourceQueue> queue).name: queue for queue in self.queues}
        return 0

    cdef Py_ssize_t at_hand(self) except -1:
        cdef SourceQueue queue
        cdef Py_ssize_t count = 0
        for queue in self.queues:
            count += queue.at_hand()
        return count

    cdef int forget(self) except -1:
        """Drops what is at hand."""
        cdef SourceQueue queue
        for queue in self.queues:
            queue.waiting = []
            queue.let_go()
            queue.ready = False
            queue.record = None
            queue.event.forget()
        return 0

    cdef dict reached(self):
        """The largest event time applied by source; the watermark under the empty name."""
        cdef SourceQueue queue
        cdef dict reached = {queue.name: queue.reached for queue in self.queues if queue.reached >= 0}
        if self.floor >= 0:
            reached[""] = self.floor
        return reached

    cdef int set_reached(self, dict reached) except -1:
        cdef SourceQueue queue
        for queue in self.queues:
            queue.reached = reached.get(queue.name, -1)
        self.floor = reached.get("", -1)
        return 0

    cdef int feed(self, batch, result, clock) except -1:
        """Begins a call: queues a batch's records."""
        cdef SourceQueue queue
        self.result, self.wall, self.by_event_time = result, clock.wall(), clock.by_event_time
        if self.by_event_time:
            self.floor = max(self.floor, <int64_t> clock.reached)
        ended = batch.ended
        for queue in self.queues:
            queue.ended = queue.name in ended
            queue.applied = queue.future = queue.left_out = queue.misplaced = 0
            queue.position = -1
            queue.latest = LATEST if self.by_event_time else self.wall
            if queue.reached > queue.latest:    # of an earlier release, or of a worker whose clock is ahead
                queue.reached = self.wall if queue.reached <= self.wall + future_ms else -1
            queue.partition, queue.partitions = batch.partition, self.partitions
        for name, records in batch.records.items():
            queue = self.by_name.get(name)
            if queue is None:
                # Its definition is gone; what is not queued is not committed, so nothing is lost.
                result.errors[(name, "unknown_source")] = len(records)
            else:
                queue.feed(records)
        return 0

    cdef int tell(self, result) except -1:
        """Ends a call: says what was applied in it."""
        cdef SourceQueue queue
        for queue in self.queues:
            if queue.position >= 0:
                result.positions[queue.name] = queue.position
            if queue.applied:
                result.events[queue.name] = queue.applied
            if queue.future:
                result.errors[(queue.name, "future_time")] = queue.future
            if queue.left_out:
                result.left_out[queue.name] = queue.left_out
            if queue.misplaced:
                result.misplaced[queue.name] = queue.misplaced
        self.result = None
        return 0

    cdef SourceQueue next_queue(self):
        """The source whose head comes next; None if there is none, or a source must be waited for.

        Nor is there one if the dead letters on the way to it were too many for this call: `left` is used up.
        """
        cdef SourceQueue queue, first = None
        cdef bint wait = False
        for queue in self.queues:
            if not queue.ready:
                self.left -= queue.advance(self.result, self.wall, self.left)
            if not queue.ready:
                wait = wait or not queue.at_end()
            elif first is None or queue.place < first.place:
                first = queue
        return None if wait else first

    cdef bint are_halted(self) noexcept:
        cdef SourceQueue queue
        for queue in self.queues:
            if queue.is_halted():
                return True
        return False

    cdef int64_t watermark(self) except -2:
        """The time that the partition has reached; -1 where there is none yet. Heads must be decoded."""
        cdef SourceQueue queue
        cdef int64_t lagging = NEVER, latest = -1, reached
        for queue in self.queues:
            reached = queue.place if queue.ready and queue.place > queue.reached else queue.reached
            latest = max(latest, reached)
            if queue.ready or not queue.at_end():
                lagging = min(lagging, reached)
        if not self.by_event_time:
            return self.wall if lagging == NEVER else min(lagging, self.wall)
        self.floor = max(self.floor, latest if lagging == NEVER else lagging)
        return self.floor

    cdef int64_t now(self, SourceQueue queue) except -1:
        """What lateness is measured by: the wall clock, or the largest event time seen."""
        cdef SourceQueue other
        cdef int64_t latest = max(queue.time, self.floor)
        if not self.by_event_time:
            return self.wall
        for other in self.queues:
            latest = max(latest, other.reached)
        return latest

    cdef bint is_overdue(self, int64_t deadline, int64_t stale_after) noexcept:
        """Whether a timer comes so late that it is stale: nobody fired it in time, so there was an outage.

        On the clock of the events there is none, however far they are apart.
        """
        return not self.by_event_time and self.wall - deadline > max(stale_after, max_overdue)

    cdef int64_t overdue_since(self, int64_t stale_after) noexcept:
        """The last deadline of which nothing earlier is worth a timer; -1 where none is overdue."""
        return -1 if self.by_event_time else self.wall - max(stale_after, max_overdue) - 1
