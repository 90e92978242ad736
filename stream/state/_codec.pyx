"""The byte form of a customer's state: the value of its changelog record, whose key is the customer's id.

    state     := 04 base applied profile traits instances sends contexts further*  04 is the version
    base      := number                             of the times in instances and sends, one more; 0: none
    applied   := count (id number)*                 offsets by source
    profile   := bytes consents claimed               the attributes as JSON; empty: there is none
    consents  := count (text how at [expires] text)*    the purpose, `*` for each; 1 if granted, 2 if it
                                                    expires, 4 if doubtful; the basis (00 none, else 01 text)
    claimed   := time count (text text)*            when, one more; 0: never; group and rule
    traits    := count (id length base body)*       as in `_windows`; the base is a number
    instances := count (id length text tail)*       the source's name, and as in `_instances`
    sends     := count (id length time*)*           as in `_customer`
    contexts  := count (id bytes)*                  by source, its latest record as JSON
    further   := tag count (id bytes)*              what came after version 4, only where there is any of it:
                                                    tag 1, by source the ids of events, as in `_seen`
    id        := 6 bytes                            of BLAKE2b of a stable id, a counter's or a source's name
    text      := length bytes                       UTF-8

`_packed` says of which kinds numbers are. Parts stand in the order of their slots, instances in that of
their opening, so equal states of one rule set have equal bytes. The parts are those of the customer's block
in memory, with ids for slots: writing them is copying, reading them is looking at each byte once and copying.

A part that the rules at hand do not know (an older worker reads what a newer one wrote) is kept as it is and
written back; `know` reads it once they do. The base is written back, too, so it still means the same.

Version 3 had no contexts, no consents that expire or are doubtful, and nothing further. It is read, and what
has none of these is written in it: those customers a worker of the former release can read as well, and the
others it refuses.

How far the sources of a partition have come is one more record, with the empty key: see `encode_reached`.
Which rules are switched off is put into it, see `note_switches`.

The reader (`_reader`) believes nothing: a corrupt record costs a `StateError`, never memory or time beyond
its own size.

Cost: 0.5 us to encode and 2 us to decode a customer with 20 keys, 28 sends and two instances.
Tested by tests/state/test_codec.py: round trips, every truncation, every flipped bit, random bytes.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from stream.state._instances cimport HeadC, next_head
from stream.state._layout cimport Ids, Layout
from stream.state._packed cimport VARINT, Buffer, reserve, span, write
from stream.state._reader cimport StateReader, corrupt, reader_of
from stream.state._customer cimport (
    MAX_INSTANCES,
    Consent,
    Customer,
    Rare,
    SendC,
    next_part,
    next_send,
)
from stream.state._seen cimport is_seen
from stream.events._times cimport LATEST, NEVER

import orjson

from stream.errors import StateError
from stream.structs import Switches

cdef str OFF = ":"          # in what is put beside the names of sources

cdef enum:
    OLD_VERSION = 3         # without contexts, and without consents that expire or are doubtful
    VERSION = 4
    REACHED_VERSION = 4     # of the record of the empty key; 3 had no marks
    ID = 6              # bytes of an id
    MAX_PURPOSES = 100
    MOST_KEPT = 1048576     # bytes of room that are kept for the next customer
    NO_HINT = 65536     # no slot is beyond it

cdef enum Part:
    PART_SOURCE = 0
    PART_TRAIT = 1
    PART_RULE = 2
    PART_COUNTER = 3
    PART_CONTEXT = 4
    PART_SEEN = 5

cdef enum Tag:
    TAG_SEEN = 1

cdef enum ConsentFlag:
    CONSENT_GRANTED = 1
    CONSENT_EXPIRES = 2
    CONSENT_DOUBTFUL = 4

cdef Buffer written = Buffer()      # by `encode`, one at a time

cdef int64_t MAX_DEADLINE = 1 << 62
cdef list NO_FOREIGN = [[], [], [], [], [], []]


# --- writing -----------------------------------------------------------------------------------

def encode(Customer customer not None):
    """The byte form of a customer."""
    cdef Buffer out = written
    cdef list foreign = NO_FOREIGN
    cdef int version
    if customer.rare.foreign is not None:
        foreign = [[], [], [], [], [], []]
        for kind, id, part in customer.rare.foreign:
            foreign[<int> kind].append((id, part))
    if out.room > MOST_KEPT:
        out = Buffer()
    out.size = 0
    version = version_of(customer, foreign[PART_CONTEXT] or foreign[PART_SEEN])
    out.put(version)
    out.put(customer.base + 1)
    put_applied(out, customer, foreign[PART_SOURCE])
    put_profile(out, customer)
    put_traits(out, customer, foreign[PART_TRAIT])
    put_instances(out, customer, foreign[PART_RULE])
    put_sends(out, customer, foreign[PART_COUNTER])
    if version == VERSION:
        put_contexts(out, customer, foreign[PART_CONTEXT])
        put_seen(out, customer, foreign[PART_SEEN])
    return (<const char *> out.data)[:out.size]


cdef int version_of(Customer customer, others) except -1:
    """The oldest version that can say all of a customer."""
    cdef Consent consent
    if others or customer.rare.contexts is not None or customer.rare.seen is not None:
        return VERSION
    if customer.rare.consents is not None:
        for consent in customer.rare.consents.values():
            if consent.expires is not None or consent.doubtful:
                return VERSION
    return OLD_VERSION


cdef int put_id(Buffer out, uint64_t id) except -1:
    return out.put_raw(&id, ID)


cdef inline int put_part(Buffer out, uint64_t id, const void *data, Py_ssize_t size) except -1:
    """Writes an id, a length and bytes."""
    cdef uint8_t *at
    reserve(out, ID + VARINT + size)
    at = out.data + out.size
    memcpy(at, &id, ID)
    at += ID
    at += write(at, size)
    if size:
        memcpy(at, data, size)
    out.size = span(out.data, at) + size
    return 0


cdef int put_foreign(Buffer out, others) except -1:
    for id, part in others:
        put_part(out, id, <const char *> <bytes> part, len(<bytes> part))
    return 0


cdef int put_applied(Buffer out, Customer customer, others) except -1:
    cdef Layout layout = customer.layout
    cdef int slot, count = 0
    for slot in range(layout.n_sources):
        count += customer.applied[slot] >= 0
    out.put(count + len(others))
    for slot in range(layout.n_sources):
        if customer.applied[slot] >= 0:
            put_id(out, layout.source_ids.ids[slot])
            out.put(customer.applied[slot])
    for id, offset in others:
        put_id(out, id)
        out.put(offset)
    return 0


cdef int put_profile(Buffer out, Customer customer) except -1:
    cdef Rare rare = customer.rare
    cdef bytes attributes = b"" if rare.attributes is None else orjson.dumps(rare.attributes)
    cdef Consent consent
    cdef int how
    out.put(len(attributes))
    out.put_raw(<const char *> attributes, len(attributes))
    out.put(len(rare.consents) if rare.consents is not None else 0)
    for purpose in sorted(rare.consents) if rare.consents is not None else ():
        consent = rare.consents[purpose]
        out.put_text(purpose)
        how = consent.granted * CONSENT_GRANTED | (consent.expires is not None) * CONSENT_EXPIRES
        out.put(how | consent.doubtful * CONSENT_DOUBTFUL)
        out.put(consent.at)
        if consent.expires is not None:
            out.put(consent.expires)
        out.put(consent.basis is not None)
        if consent.basis is not None:
            out.put_text(consent.basis)
    out.put(rare.claimed_at + 1)
    out.put(len(rare.claimed) if rare.claimed is not None else 0)
    for group, rule in sorted(rare.claimed.items()) if rare.claimed is not None else ():
        out.put_text(group)
        out.put_text(rule)
    return 0


cdef int put_traits(Buffer out, Customer customer, others) except -1:
    cdef const uint8_t *begin = <const uint8_t *> customer.applied + customer.traits_at
    cdef const uint8_t *end = <const uint8_t *> customer.applied + customer.instances_at
    cdef const uint8_t *at = begin
    cdef int count = 0, slot
    cdef uint32_t size
    while at != end:
        next_part(&at, &slot, &size)
        at += size
        count += 1
    out.put(count + len(others))
    at = begin
    while at != end:
        next_part(&at, &slot, &size)
        put_part(out, customer.layout.trait_ids.ids[slot], at, size)
        at += size
    return put_foreign(out, others)


cdef int put_instances(Buffer out, Customer customer, others) except -1:
    cdef const uint8_t *begin = <const uint8_t *> customer.applied + customer.instances_at
    cdef const uint8_t *end = <const uint8_t *> customer.applied + customer.sends_at
    cdef const uint8_t *at = begin
    cdef HeadC head
    cdef Py_ssize_t since
    cdef int count = 0
    while at != end:
        next_head(&at, customer.base, &head)
        count += 1
    out.put(count + len(others))
    at = begin
    while at != end:
        next_head(&at, customer.base, &head)
        put_id(out, customer.layout.rule_ids.ids[head.rank])
        since = out.size
        put_source(out, &head, customer.layout)
        out.put_raw(head.tail, span(head.tail, head.end))
        out.put_length(since)
    return put_foreign(out, others)


cdef int put_source(Buffer out, const HeadC *head, Layout layout) except -1:
    if head.slot >= 0:
        return out.put_text(layout.sources[head.slot])
    return out.put_raw(head.source, span(head.source, head.tail))


cdef int put_sends(Buffer out, Customer customer, others) except -1:
    cdef const uint8_t *begin = <const uint8_t *> customer.applied + customer.sends_at
    cdef const uint8_t *end = <const uint8_t *> customer.applied + customer.end
    cdef const uint8_t *at = begin
    cdef SendC send
    cdef int count = 0
    while at != end:
        next_send(&at, &send)
        count += 1
    out.put(count + len(others))
    at = begin
    while at != end:
        next_send(&at, &send)
        put_part(out, customer.layout.counter_ids.ids[send.slot], send.times, span(send.times, send.end))
    return put_foreign(out, others)


cdef int put_contexts(Buffer out, Customer customer, others) except -1:
    cdef dict contexts = customer.rare.contexts
    cdef Ids ids = customer.layout.context_ids
    cdef int slot
    cdef bytes said
    out.put((len(contexts) if contexts is not None else 0) + len(others))
    for slot, name in enumerate(customer.layout.contexts if contexts is not None else ()):
        if name in contexts:
            said = orjson.dumps(contexts[name])
            put_part(out, ids.ids[slot], <const char *> said, len(said))
    return put_foreign(out, others)


cdef int put_seen(Buffer out, Customer customer, others) except -1:
    cdef dict seen = customer.rare.seen
    cdef Ids ids = customer.layout.seen_ids
    cdef int slot
    cdef bytes entries
    if seen is None and not others:
        return 0
    out.put(TAG_SEEN)
    out.put((len(seen) if seen is not None else 0) + len(others))
    for slot, name in enumerate(customer.layout.deduped if seen is not None else ()):
        if name in seen:
            entries = seen[name]
            put_part(out, ids.ids[slot], <const char *> entries, len(entries))
    return put_foreign(out, others)


# --- reading -----------------------------------------------------------------------------------


cdef object unknown_version():
    return StateError(
        "a stored state has a version that this release does not know",
        hint="another release wrote it: run that one; or it is no state at all: see docs/recovery.md",
    )


def decode(Layout layout not None, str id not None, bytes value not None, int generation=0):
    """The customer of a byte form. StateError if it is corrupt or of another version."""
    cdef StateReader reader = reader_of(value)
    cdef uint64_t version = reader.number()
    cdef Customer customer
    if version != VERSION and version != OLD_VERSION:
        raise unknown_version()
    customer = Customer(id, layout, generation)
    customer.size = <uint32_t> len(value)
    customer.resize(customer.end + len(value))
    customer.base = reader.bounded(MAX_DEADLINE) - 1
    read_applied(customer, reader)
    read_profile(customer, reader, version)
    read_parts(customer, reader, PART_TRAIT, layout.trait_ids)
    read_parts(customer, reader, PART_RULE, layout.rule_ids)
    read_parts(customer, reader, PART_COUNTER, layout.counter_ids)
    if version == VERSION:
        read_parts(customer, reader, PART_CONTEXT, layout.context_ids)
        if reader.at != reader.end:
            read_further(customer, reader)
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    customer.resize(customer.end)
    return customer


def know(Customer customer not None):
    """Reads what the customer's layout knows of the parts that were kept as they are, and drops the rest."""
    cdef Layout layout = customer.layout
    cdef list foreign = customer.rare.foreign
    cdef dict waiting = {}
    cdef StateReader reader
    cdef int slot
    ids = (
        layout.source_ids, layout.trait_ids, layout.rule_ids, layout.counter_ids, layout.context_ids,
        layout.seen_ids,
    )
    customer.own().foreign = None
    for kind, id, part in foreign:
        slot = (<Ids> ids[<int> kind]).slot(id)
        if slot >= 0 and kind == PART_SOURCE:
            customer.applied[slot] = part
        elif slot >= 0:
            reader = reader_of(part)
            reader.last = NO_HINT
            reader.waiting = waiting
            read_part(customer, kind, slot, reader)


cdef int keep(Customer customer, int kind, uint64_t id, part) except -1:
    if customer.rare.foreign is None:
        customer.own().foreign = []
    customer.rare.foreign.append((kind, id, part))
    return 0


cdef int read_applied(Customer customer, StateReader reader) except -1:
    cdef int slot
    cdef uint64_t id
    cdef int64_t offset
    cdef Py_ssize_t left = reader.length()
    while left:
        left -= 1
        id = reader.id()
        offset = reader.bounded(NEVER)
        slot = customer.layout.source_ids.slot(id)
        if slot >= 0:
            customer.applied[slot] = offset
        else:
            keep(customer, PART_SOURCE, id, offset)
    return 0


cdef int read_parts(Customer customer, StateReader reader, int kind, Ids ids) except -1:
    cdef const uint8_t *around
    cdef uint64_t id
    cdef int slot
    cdef Py_ssize_t left = reader.length()
    reader.last = -1
    while left:
        left -= 1
        id = reader.id()
        slot = ids.slot(id)
        if slot < 0:
            keep(customer, kind, id, reader.raw())
            continue
        around = reader.within()
        read_part(customer, kind, slot, reader)
        reader.leave(around)
    return 0


cdef int read_part(Customer customer, int kind, int slot, StateReader reader) except -1:
    """Reads a part that goes up to the reader's end."""
    cdef const uint8_t *begin = reader.at
    cdef bint twice = False, last = slot > reader.last
    cdef int count
    if kind == PART_TRAIT:
        reader.body(&customer.layout.trait[slot])
        twice = customer.put_trait(slot, begin, span(begin, reader.at), last)
    elif kind == PART_RULE:
        read_instance(customer, slot, reader)
    elif kind == PART_CONTEXT:
        twice = read_context(customer, slot, reader)
    elif kind == PART_SEEN:
        twice = read_seen(customer, slot, reader)
    else:
        count = reader.sends(customer.base)
        twice = customer.put_new_send(slot, begin, span(begin, reader.at), count > 1, last)
    if reader.at != reader.end:
        raise corrupt("a part is longer or shorter than it says")
    if twice:
        raise corrupt("a part is there twice")
    reader.last = max(slot, reader.last)
    return 0


cdef int read_instance(Customer customer, int rank, StateReader reader) except -1:
    cdef str source = reader.text()
    cdef const uint8_t *begin = reader.at
    reader.tail(customer.base)
    reader.waiting[rank] = reader.waiting.get(rank, 0) + 1
    if reader.waiting[rank] > 2 * MAX_INSTANCES:
        raise corrupt("a part is empty, or has more than it can have")
    return customer.append_waiting(rank, source, begin, span(begin, reader.at))


cdef bint read_context(Customer customer, int slot, StateReader reader) except -1:
    """Reads what a source said last; True, and nothing is done, if there is something of it."""
    cdef const uint8_t *begin = reader.at
    cdef str name = customer.layout.contexts[slot]
    reader.at = reader.end
    if customer.rare.contexts is None:
        customer.own().contexts = {}
    if name in customer.rare.contexts:
        return True
    customer.rare.contexts[name] = reader.json_object((<const char *> begin)[:span(begin, reader.end)])
    return False


cdef int read_further(Customer customer, StateReader reader) except -1:
    if reader.number() != TAG_SEEN:
        raise corrupt("something follows its end")
    return read_parts(customer, reader, PART_SEEN, customer.layout.seen_ids)


cdef bint read_seen(Customer customer, int slot, StateReader reader) except -1:
    """Reads the ids of a source's events; True, and nothing is done, if there are some of it."""
    cdef bytes entries = (<const char *> reader.at)[:span(reader.at, reader.end)]
    cdef str name = customer.layout.deduped[slot]
    reader.at = reader.end
    if not is_seen(entries):
        raise corrupt("ids of events are too many, or cut off")
    if customer.rare.seen is None:
        customer.own().seen = {}
    if name in customer.rare.seen:
        return True
    customer.rare.seen[name] = entries
    return False


cdef int read_profile(Customer customer, StateReader reader, uint64_t version) except -1:
    cdef bytes attributes = reader.raw()
    cdef bint has_basis
    cdef int64_t at, how
    cdef uint64_t most = CONSENT_GRANTED | CONSENT_EXPIRES | CONSENT_DOUBTFUL
    if version == OLD_VERSION:
        most = CONSENT_GRANTED
    if attributes:
        customer.own().attributes = reader.json_object(attributes)
    for _ in range(reader.bounded(MAX_PURPOSES)):
        purpose = reader.text()
        how, at = reader.bounded(most), reader.bounded(LATEST)
        if how & CONSENT_DOUBTFUL and not how & CONSENT_GRANTED:
            raise corrupt("a consent is what it cannot be")
        expires = reader.bounded(LATEST) if how & CONSENT_EXPIRES else None
        has_basis = reader.bounded(1)
        if customer.rare.consents is None:
            customer.own().consents = {}
        if purpose in customer.rare.consents:
            raise corrupt("a part is there twice")
        basis = reader.text() if has_basis else None
        customer.rare.consents[purpose] = Consent(
            how & CONSENT_GRANTED, at, basis, expires, how & CONSENT_DOUBTFUL
        )
    at = reader.bounded(MAX_DEADLINE) - 1
    if at >= 0:
        customer.own().claimed_at = at
    for _ in range(reader.length()):
        if customer.rare.claimed is None:
            customer.own().claimed = {}
        group = reader.text()
        if group in customer.rare.claimed:
            raise corrupt("a part is there twice")
        customer.rare.claimed[group] = reader.text()
    return 0


def encode_reached(dict reached not None, bytes marks not None=b""):
    """The byte form of how far each source has come: version, count, (name, time)*, size, `marks`."""
    cdef Buffer out = Buffer()
    out.put(REACHED_VERSION)
    out.put(len(reached))
    for name, time in sorted(reached.items()):
        out.put_text(name)
        out.put(time)
    out.put(len(marks))
    out.put_raw(<const uint8_t *> <const char *> marks, len(marks))
    return (<const char *> out.data)[:out.size]


def decode_reached(bytes value not None):
    """({source's name: largest event time applied, "": the watermark}, marks). StateError if corrupt."""
    cdef StateReader reader = reader_of(value)
    cdef uint64_t version = reader.number()
    if version != OLD_VERSION and version != REACHED_VERSION:
        raise unknown_version()
    reached = {reader.text(): reader.bounded(LATEST) for _ in range(reader.length())}
    marks = reader.raw() if version == REACHED_VERSION else b""
    if reader.at != reader.end:
        raise corrupt("something follows its end")
    return reached, marks


def switches_in(dict reached not None):
    """Takes `structs.Switches` out of what `note_switches` has put them into."""
    topic_id, position, off = "", 0, {}
    for name in [each for each in reached if OFF in each]:
        kind, _, of = (<str> name).partition(OFF)
        if kind:
            off[of] = reached.pop(name)
        else:
            topic_id, position = of, reached.pop(name)
    return Switches(topic_id, position, off)


def note_switches(dict reached not None, switches not None):
    """Puts them under names that no source can have: releases before leave them where they are.

    `:ID` has the position in the topic, `off:RULE` until when a rule is off.
    """
    reached[f"{OFF}{switches.topic_id}"] = switches.position
    for rule, until in switches.off.items():
        reached[f"off{OFF}{rule}"] = until
