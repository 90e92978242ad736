"""The windows of traits, as bytes (`_packed` says of which kinds).

    body     := cell | entry*            with `per`: an entry a key, the least recently updated first;
                                         `list`: an entry an element, with its key, or 0
    entry    := length key cell          the length in bytes of what follows it; the key is a scalar
    cell     := slice*                   count: number; sum, min, max: double; mean: double number
              | (time scalar)*           first, last: one a slice
              | entry*                   distinct, top: an entry a value, with a window of counts
              | time*                    gap
              | time scalar*             list: a scalar a field; the time differs from the base
    slice    := index amount

A cell ends where what holds it ends. Times and indices are written newest first: the newest one signed, as
its difference from the body's base, the others as how much older than the one before. The base stands
before the body: milliseconds for `first`, `last`, `gap` and `list`, else the index of a slice.

A slice's index is `event time // width`, width = ceil(W / 60) ms; the value at time t is that of the slices
t // width - 60 … t // width. Slices are sparse. When an event opens a slice, the other slices that are more
than 120 behind the newest one are dropped. So what is judged up to one whole window behind the newest event
of the trait is exact; a later straggler is counted and sees itself, but not all that was around it, and is
gone with the next slice. This depends on the customer's own events only: it is the same live, restored and in
a test. Sums are added up in the order of the slices, oldest first. Of keys and values the least recently
updated one goes first: when there are too many, or when nothing of it is in reach any more. A `gap` keeps
the newest times.

Nothing is changed in place: what a body becomes is written to a buffer, from where on it differs.

Cost: a slice that is read or passed 2 ns, an entry that is passed 1 to 2 ns.
Tested by tests/state/test_customer.py, tests/state/test_packed_state.py, and with the engine by the
reference model.
Longer than 600 lines, because what changes a cell and what reads it share its form.
"""

from libc.math cimport sqrt
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove

from stream.state._packed cimport (
    Buffer,
    at_scalar,
    meter,
    reserve,
    span,
    next_number,
    next_double,
    next_scalar,
    next_signed,
)
from stream.events._value cimport (
    ABSENT,
    KIND_DOUBLE,
    KIND_FALSE,
    KIND_INTEGER,
    KIND_MISSING,
    KIND_TEXT,
    KIND_TRUE,
    ValueC,
    object_of,
)

from stream.rules.aggregates import AGGREGATES as _AGGREGATES

cdef enum:
    PASSED = 20         # of `meter.effort`: a slice, an entry or a time that is passed, or written
    COUNTED = 1_000     # a value of `top`, as Python has it

cdef list OVER_NOTHING = [ABSENT] * (1 + max([each.code for each in _AGGREGATES.values()]))    # by function
for _each in _AGGREGATES.values():
    if _each.nothing is not None:
        OVER_NOTHING[_each.code] = _each.nothing

cdef struct SliceC:
    int64_t index
    double amount
    uint64_t count

cdef struct MarkC:
    int64_t time
    const uint8_t *value
    Py_ssize_t size


cdef int64_t index_of(const TraitC *trait, int64_t time) noexcept:
    return time // trait.width if trait.width else 0


cdef bint has_times(const TraitC *trait) noexcept:
    """Whether a cell has times where those of others have indices."""
    cdef int function = trait.function
    return (
        function == FUNCTION_FIRST or function == FUNCTION_LAST or function == FUNCTION_GAP
        or function == FUNCTION_LIST
    )


cdef int64_t base_of(const TraitC *trait, int64_t time) noexcept:
    """What a body begun at `time` has for its base."""
    if has_times(trait):
        return time
    return index_of(trait, time)


# --- times and indices -------------------------------------------------------------------------

cdef struct CursorC:        # over what begins with a time or an index, newest first
    const uint8_t *at
    const uint8_t *end
    int64_t time            # or the index, of where it is; before that the base
    bint begun


cdef inline CursorC cursor_of(const uint8_t *at, const uint8_t *end, int64_t base) noexcept:
    cdef CursorC cursor
    cursor.at, cursor.end, cursor.time, cursor.begun = at, end, base, False
    return cursor


cdef inline bint next_time(CursorC *cursor) noexcept:
    """Reads the next time or index, and goes past it; False at the end."""
    if cursor.at == cursor.end:
        return False
    if cursor.begun:
        cursor.time -= <int64_t> next_number(&cursor.at)
    else:
        cursor.time += next_signed(&cursor.at)
        cursor.begun = True
    return True


cdef inline int put_time(Buffer out, bint begun, int64_t before, int64_t time) except -1:
    """Writes a time or an index; `before` is the one before it, or the base where nothing has `begun`."""
    return out.put(before - time) if begun else out.put_signed(time - before)


# --- entries -----------------------------------------------------------------------------------

cdef int next_entry(const uint8_t *at, EntryC *into) noexcept:
    cdef uint64_t size
    cdef ValueC key
    into.at = at
    size = next_number(&at)
    into.key = at
    into.end = at + size
    next_scalar(&at, &key)
    into.cell = at
    return 0


cdef int find(const uint8_t *at, const uint8_t *end, const ValueC *key, EntryC *into) noexcept:
    """Finds the entry of a key: -1 and the entry, else how many entries there are."""
    cdef int count = 0
    cdef uint64_t size
    cdef const uint8_t *begin
    while at != end:
        begin = at
        size = next_number(&at)
        if at_scalar(at, key):
            next_entry(begin, into)
            meter.effort += PASSED * count
            return -1
        at += size
        count += 1
    meter.effort += PASSED * count
    return count


cdef int put_entry(
    Buffer out, const uint8_t *at, const uint8_t *end, const TraitC *trait, bint nested, int64_t base,
    const ValueC *key, const EventC *event, const uint8_t **since,
) except -1:
    """Writes what becomes of entries, from `since` on; that of `key` last. 1 if one had to make room."""
    cdef EntryC entry, first
    cdef int count = find(at, end, key, &entry), crowded = 0
    cdef const uint8_t *head = at
    cdef const uint8_t *cell
    cdef const uint8_t *cell_end
    cdef Py_ssize_t begin
    if count >= 0:
        entry.at = entry.cell = entry.end = end
        crowded = count >= (trait.values if nested else trait.keys)
    elif entry.at == at:
        head = entry.end
    cell, cell_end = entry.cell, entry.end
    since[0] = entry.at
    if head != end:
        next_entry(head, &first)
        if crowded or (trait.width and newest_of(&first, trait, nested, base) < event.index - KEPT):
            since[0] = at
            if entry.at > first.at:
                out.put_raw(first.end, span(first.end, entry.at))
            else:
                entry.end = first.end
    out.put_raw(entry.end, span(entry.end, end))
    begin = out.size
    out.put_scalar(key)
    if trait.function == FUNCTION_LIST:
        put_element(out, trait, base, event)
    elif nested:
        add(out, cell, cell_end, FUNCTION_COUNT, base, event)
    else:
        crowded |= put_cell(out, cell, cell_end, trait, base, event)
    out.put_length(begin)
    return crowded


cdef int64_t newest_of(const EntryC *entry, const TraitC *trait, bint nested, int64_t base) noexcept:
    """The index of the newest slice of an entry."""
    cdef EntryC each
    cdef const uint8_t *at = entry.cell
    cdef CursorC cursor = cursor_of(entry.cell, entry.end, base)
    cdef int64_t newest = -1
    if not nested and (trait.function == FUNCTION_DISTINCT or trait.function == FUNCTION_TOP):
        while at != entry.end:
            next_entry(at, &each)
            meter.effort += PASSED
            newest = max(newest, newest_of(&each, trait, True, base))
            at = each.end
        return newest
    next_time(&cursor)
    return index_of(trait, cursor.time) if has_times(trait) else cursor.time


# --- changes -----------------------------------------------------------------------------------

cdef int put_body(
    Buffer out, const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base,
    const ValueC *key, const EventC *event, const uint8_t **since,
) except -1:
    """Writes what an event makes of a body, from `since` on; 1 if something had to make room."""
    if trait.per:
        return put_entry(out, at, end, trait, False, base, key, event, since)
    if trait.function == FUNCTION_DISTINCT or trait.function == FUNCTION_TOP:
        return put_entry(out, at, end, trait, True, base, event.value, event, since)
    if trait.function == FUNCTION_LIST:     # that the oldest goes is as it should be
        put_entry(out, at, end, trait, True, base, key, event, since)
        return 0
    since[0] = at
    return put_cell(out, at, end, trait, base, event)


cdef int put_element(Buffer out, const TraitC *trait, int64_t base, const EventC *event) except -1:
    cdef int each
    out.put_signed(event.time - base)
    for each in range(trait.fields):
        out.put_scalar(&event.value[each])
    return 0


cdef int put_cell(
    Buffer out, const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, const EventC *event
) except -1:
    cdef const uint8_t *since = NULL
    cdef Py_ssize_t begin = out.size, kept
    cdef int crowded
    if trait.function == FUNCTION_FIRST or trait.function == FUNCTION_LAST:
        return mark(out, at, end, trait, base, event)
    if trait.function == FUNCTION_GAP:
        return enter(out, at, end, trait, base, event.time)
    if trait.function != FUNCTION_DISTINCT and trait.function != FUNCTION_TOP:
        return add(out, at, end, trait.function, base, event)
    crowded = put_entry(out, at, end, trait, True, base, event.value, event, &since)
    kept = span(at, since)
    reserve(out, kept)
    memmove(out.data + begin + kept, out.data + begin, out.size - begin)
    memcpy(out.data + begin, at, kept)
    out.size += kept
    return crowded


cdef inline int next_amount(const uint8_t **at, int function, SliceC *into) noexcept:
    into.amount = 0.0
    into.count = 0
    if function != FUNCTION_COUNT:
        into.amount = next_double(at)
    if function == FUNCTION_COUNT or function == FUNCTION_MEAN:
        into.count = next_number(at)
    return 0


cdef int put_amount(Buffer out, int function, const SliceC *slice) except -1:
    if function != FUNCTION_COUNT:
        out.put_double(slice.amount)
    if function == FUNCTION_COUNT or function == FUNCTION_MEAN:
        out.put(slice.count)
    return 0


cdef int fold(SliceC *slice, int function, double amount) noexcept:
    if function == FUNCTION_MIN:
        slice.amount = min(slice.amount, amount)
    elif function == FUNCTION_MAX:
        slice.amount = max(slice.amount, amount)
    else:
        slice.amount += amount
    slice.count += 1
    return 0


cdef int add(
    Buffer out, const uint8_t *at, const uint8_t *end, int function, int64_t base, const EventC *event
) except -1:
    """A window with an amount added to a slice."""
    cdef SliceC slice
    cdef CursorC cursor = cursor_of(at, end, base)
    cdef bint begun = next_time(&cursor)
    cdef int64_t newest = cursor.time
    cdef const uint8_t *rest
    cdef const uint8_t *last
    slice.amount, slice.count = event.amount, 1
    if begun and event.index < newest:
        return add_late(out, at, end, function, base, event)
    put_time(out, False, base, event.index)
    if begun and event.index == newest:
        next_amount(&cursor.at, function, &slice)
        fold(&slice, function, event.amount)
        put_amount(out, function, &slice)
        return out.put_raw(cursor.at, span(cursor.at, end))
    put_amount(out, function, &slice)
    if not begun or newest < event.index - KEPT:
        return 0
    put_time(out, True, event.index, newest)
    rest = cursor.at
    while True:
        next_amount(&cursor.at, function, &slice)
        meter.effort += PASSED
        last = cursor.at
        if not next_time(&cursor) or cursor.time < event.index - KEPT:
            return out.put_raw(rest, span(rest, last))


cdef int add_late(
    Buffer out, const uint8_t *at, const uint8_t *end, int function, int64_t base, const EventC *event
) except -1:
    """The same, for an event older than the newest slice."""
    cdef SliceC slices[MOST_SLICES + 1]
    cdef CursorC cursor = cursor_of(at, end, base)
    cdef int n = 0, to = 0, each
    while next_time(&cursor):
        slices[n].index = cursor.time
        next_amount(&cursor.at, function, &slices[n])
        n += 1
    while to < n and slices[to].index > event.index:
        to += 1
    if to < n and slices[to].index == event.index:
        fold(&slices[to], function, event.amount)
    else:
        while slices[n - 1].index < slices[0].index - KEPT:
            n -= 1
        to = min(to, n)
        memmove(&slices[to + 1], &slices[to], (n - to) * sizeof(SliceC))
        slices[to].index, slices[to].amount, slices[to].count = event.index, event.amount, 1
        n += 1
    for each in range(n):
        put_time(out, each > 0, slices[each - 1].index if each else base, slices[each].index)
        put_amount(out, function, &slices[each])
    meter.effort += 2 * PASSED * n
    return 0


cdef int mark(
    Buffer out, const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, const EventC *event
) except -1:
    """Marks with one put into its slice: `first` keeps the earliest, of equal times the one that came first;
    `last` the latest, of equal times the one that came later."""
    cdef MarkC marks[MOST_SLICES + 1]
    cdef CursorC cursor = cursor_of(at, end, base)
    cdef ValueC value
    cdef int n = 0, to = 0, each
    cdef bint there
    while next_time(&cursor):
        marks[n].time, marks[n].value = cursor.time, cursor.at
        next_scalar(&cursor.at, &value)
        marks[n].size = span(marks[n].value, cursor.at)
        n += 1
    while to < n and index_of(trait, marks[to].time) > event.index:
        to += 1
    there = to < n and index_of(trait, marks[to].time) == event.index
    if there and (
        event.time >= marks[to].time if trait.function == FUNCTION_FIRST else event.time < marks[to].time
    ):
        to = -1
    elif not there:
        while n and trait.width and index_of(trait, marks[n - 1].time) < (
            max(event.index, index_of(trait, marks[0].time)) - KEPT
        ):
            n -= 1
        to = min(to, n)
        memmove(&marks[to + 1], &marks[to], (n - to) * sizeof(MarkC))
        n += 1
    if to >= 0:
        marks[to].time, marks[to].value = event.time, NULL
    for each in range(n):
        put_time(out, each > 0, marks[each - 1].time if each else base, marks[each].time)
        if marks[each].value is NULL:
            out.put_scalar(event.value)
        else:
            out.put_raw(marks[each].value, marks[each].size)
    meter.effort += 2 * PASSED * n
    return 0


cdef int enter(
    Buffer out, const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t time
) except -1:
    """The times of a `gap` with one entered; 1 if the oldest had to make room."""
    cdef int64_t times[MAX_KEYS + 1]
    cdef CursorC cursor = cursor_of(at, end, base)
    cdef int n = 0, to = 0, each, crowded
    while next_time(&cursor):
        if cursor.time > time:
            to += 1
        elif to == n:
            times[n] = time
            n += 1
        times[n] = cursor.time
        n += 1
    if to == n:
        times[n] = time
        n += 1
    while trait.width and times[n - 1] // trait.width < times[0] // trait.width - KEPT:
        n -= 1
    crowded = n > trait.values
    n -= crowded
    for each in range(n):
        put_time(out, each > 0, times[each - 1] if each else base, times[each])
    meter.effort += 2 * PASSED * n
    return crowded


cdef int without_oldest(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base,
    const uint8_t **since, const uint8_t **until,
) noexcept:
    """What stays of a body without its oldest quarter: keys and values, or slices. At least one goes."""
    cdef Py_ssize_t most = span(at, end) * 3 // 4
    cdef EntryC entry
    cdef SliceC slice
    cdef ValueC value
    cdef CursorC cursor = cursor_of(at, end, base)
    since[0], until[0] = at, end
    if (
        trait.per or trait.function == FUNCTION_DISTINCT or trait.function == FUNCTION_TOP
        or trait.function == FUNCTION_LIST
    ):
        while span(since[0], end) > most:
            next_entry(since[0], &entry)
            since[0] = entry.end
        return 0
    until[0] = at
    while next_time(&cursor):
        if trait.function == FUNCTION_FIRST or trait.function == FUNCTION_LAST:
            next_scalar(&cursor.at, &value)
        elif trait.function != FUNCTION_GAP:
            next_amount(&cursor.at, trait.function, &slice)
        if span(at, cursor.at) > most:
            break
        until[0] = cursor.at
    return 0


# --- values ------------------------------------------------------------------------------------

cdef int slices_of(
    const uint8_t *at, const uint8_t *end, int function, int64_t base, int64_t first, int64_t last,
    SliceC *into,
) noexcept:
    """The slices of a window from `first` to `last`, newest first; how many."""
    cdef CursorC cursor = cursor_of(at, end, base)
    cdef int n = 0
    while next_time(&cursor) and cursor.time >= first:
        next_amount(&cursor.at, function, &into[n])
        n += cursor.time <= last
    meter.effort += PASSED * (1 + n)
    return n


cdef uint64_t count_of(
    const uint8_t *at, const uint8_t *end, int64_t base, int64_t first, int64_t last
) noexcept:
    cdef SliceC slices[MOST_SLICES + 1]
    cdef uint64_t count = 0
    cdef int n = slices_of(at, end, FUNCTION_COUNT, base, first, last, slices)
    while n:
        n -= 1
        count += slices[n].count
    return count


cdef bint read_number(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t when, ValueC *into
) noexcept:
    """The value of a cell as of `when`; False if it has none, or several (`top`, `gap`, `list`).

    Of `first` and `last` it is whatever scalar stands there; the bytes of a text stay where they are.
    """
    cdef SliceC slices[MOST_SLICES + 1]
    cdef int64_t last = index_of(trait, when), first = last - SLICES
    cdef int n, function = trait.function
    cdef uint64_t count = 0
    cdef double total = 0.0
    into.size = 0
    if function == FUNCTION_TOP or function == FUNCTION_GAP or function == FUNCTION_LIST:
        return False
    if function == FUNCTION_FIRST or function == FUNCTION_LAST:
        return marked(at, end, trait, base, first, last, into)
    if function == FUNCTION_COUNT or function == FUNCTION_DISTINCT:
        into.kind = KIND_INTEGER
        if function == FUNCTION_COUNT:
            into.of.integer = <int64_t> count_of(at, end, base, first, last)
        else:
            into.of.integer = distinct(at, end, base, first, last)
        return True
    n = slices_of(at, end, function, base, first, last, slices)
    if n == 0 and function != FUNCTION_SUM:
        return False
    into.kind = KIND_DOUBLE
    if function == FUNCTION_MIN or function == FUNCTION_MAX:
        n -= 1
        total = slices[n].amount
        while n:
            n -= 1
            if (slices[n].amount < total) == (function == FUNCTION_MIN):
                total = slices[n].amount
    else:
        while n:
            n -= 1
            total += slices[n].amount
            count += slices[n].count
        if function == FUNCTION_MEAN:
            total /= <double> count     # at least 1 in each slice
    into.of.number = total
    return True


cdef bint marked(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t first, int64_t last,
    ValueC *into,
) noexcept:
    cdef CursorC cursor = cursor_of(at, end, base)
    cdef ValueC value
    cdef int64_t index
    cdef bint found = False
    while next_time(&cursor):
        next_scalar(&cursor.at, &value)
        index = index_of(trait, cursor.time)
        if index < first:
            break
        if index <= last:
            into[0] = value
            found = True
            if trait.function == FUNCTION_LAST:
                break
    return found


cdef int64_t distinct(
    const uint8_t *at, const uint8_t *end, int64_t base, int64_t first, int64_t last
) noexcept:
    cdef EntryC entry
    cdef int64_t count = 0
    while at != end:
        next_entry(at, &entry)
        count += count_of(entry.cell, entry.end, base, first, last) > 0
        at = entry.end
    return count


cdef object top(const uint8_t *at, const uint8_t *end, int k, int64_t base, int64_t first, int64_t last):
    """The most frequent values; of equal counts booleans, numbers, strings, each ascending."""
    cdef EntryC entry
    cdef ValueC value
    cdef uint64_t count
    cdef int kind
    found = []
    while at != end:
        next_entry(at, &entry)
        count = count_of(entry.cell, entry.end, base, first, last)
        if count > 0:
            next_scalar(&entry.key, &value)
            kind = 2 if value.kind == KIND_TEXT else 0 if value.kind in (KIND_TRUE, KIND_FALSE) else 1
            found.append((-<int64_t> count, kind, object_of(&value)))
            meter.effort += COUNTED
        at = entry.end
    found.sort()
    return [value_found for _, _, value_found in found[:k]] if found else ABSENT


cdef object gap(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t first, int64_t last,
    int64_t when,
):
    """{mean, deviation, since} in seconds, those that there are; ABSENT of nothing."""
    cdef int64_t times[MAX_KEYS + 1]
    cdef CursorC cursor = cursor_of(at, end, base)
    cdef int n = 0, each
    cdef double mean, apart, squares = 0.0
    while next_time(&cursor) and index_of(trait, cursor.time) >= first:
        if index_of(trait, cursor.time) <= last:
            times[n] = cursor.time
            n += 1
    meter.effort += 2 * PASSED * n
    if n == 0:
        return ABSENT
    found = {"since": (when - times[0]) / 1000.0}
    if n > 1:
        mean = <double> (times[0] - times[n - 1]) / (n - 1)
        for each in range(n - 1, 0, -1):
            apart = <double> (times[each - 1] - times[each]) - mean
            squares += apart * apart
        found["mean"] = mean / 1000.0
        found["deviation"] = sqrt(squares / (n - 1)) / 1000.0
    return found


cdef object read_value(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t when
):
    """The value of a cell as of `when`; ABSENT if it has none. Of a list see `elements`."""
    cdef ValueC value
    cdef int64_t last = index_of(trait, when)
    if trait.function == FUNCTION_TOP:
        return top(at, end, trait.k, base, last - SLICES, last)
    if trait.function == FUNCTION_GAP:
        return gap(at, end, trait, base, last - SLICES, last, when)
    return object_of(&value) if read_number(at, end, trait, base, when, &value) else ABSENT


cdef list elements(
    const uint8_t *at, const uint8_t *end, const TraitC *trait, int64_t base, int64_t when, tuple names
):
    """The elements of a list as of `when`, the newest last: what there is of their fields, by name."""
    cdef EntryC entry
    cdef ValueC value
    cdef int64_t index, last = index_of(trait, when)
    cdef dict element
    cdef list found = []
    while at != end:
        next_entry(at, &entry)
        at = entry.end
        index = index_of(trait, base + next_signed(&entry.cell))
        if index < last - SLICES or index > last:
            continue
        element = {}
        for name in names:
            next_scalar(&entry.cell, &value)
            if value.kind != KIND_MISSING:
                element[name] = object_of(&value)
        found.append(element)
        meter.effort += COUNTED * trait.fields
    return found


cdef object nothing_of(int function):
    """The value of a trait that nothing has been counted for."""
    return [] if function == FUNCTION_LIST else OVER_NOTHING[function]
