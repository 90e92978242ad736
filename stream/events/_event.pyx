"""One record of JSON at a time: only the fields that a rule set reads, and no Python object for any.

`Fields` gives each field path that anyone reads (conditions, traits, the sources' mappings, the index) a
slot, and keeps the paths as a trie of small hash tables. `Event.read` has yyjson read and check the bytes
(into memory that is used again for the next record), walks the object once and puts what the trie knows
into `values`:

    {"event": "view", "properties": {"sku": "p1", "color": "red"}, "price": 9.5}
       │                 │              │            └ skipped        │
       slot 0: a text    a table below     slot 1: a text                 slot 2: a double

A path that leads nowhere is missing. Of a key that stands twice the last one counts, as with orjson; who
must know asks `repeated`. The
event as a dict is made by orjson only when somebody asks for all of it or for a map or list inside of it:
content, a captured event, a rare function. Both readers take the same bytes for JSON: UTF-8, at most 1,024
levels, numbers that a double holds. (orjson is built on yyjson; the tests compare them.)

Cost: 0.3 µs for 200 bytes with ten fields; orjson alone takes 1.1.
Tested by tests/events/test_event.py.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memset

from stream.events._value cimport (
    KIND_DOUBLE,
    KIND_FALSE,
    KIND_INTEGER,
    KIND_MISSING,
    KIND_NESTED,
    KIND_NIL,
    KIND_TEXT,
    KIND_TRUE,
    KIND_UNSIGNED,
    ValueC,
    object_of,
)
from stream.events._yyjson cimport (
    YYJSON_SUBTYPE_REAL,
    YYJSON_SUBTYPE_SINT,
    YYJSON_SUBTYPE_TRUE,
    YYJSON_TYPE_BOOL,
    YYJSON_TYPE_NULL,
    YYJSON_TYPE_NUM,
    YYJSON_TYPE_OBJ,
    YYJSON_TYPE_STR,
    yyjson_alc,
    yyjson_alc_pool_init,
    yyjson_doc,
    yyjson_doc_free,
    yyjson_doc_get_root,
    yyjson_doc_get_val_count,
    yyjson_get_len,
    yyjson_get_real,
    yyjson_get_sint,
    yyjson_get_str,
    yyjson_get_subtype,
    yyjson_get_type,
    yyjson_get_uint,
    yyjson_obj_iter,
    yyjson_obj_iter_get_val,
    yyjson_obj_iter_init,
    yyjson_obj_iter_next,
    yyjson_obj_size,
    yyjson_read_max_memory_usage,
    yyjson_read_opts,
    yyjson_val,
)

import orjson

cdef object loads = orjson.loads

cdef enum:
    MAX_DEPTH = 1024        # orjson's
    POOLED = 16_384         # bytes of the largest record that is read into memory that is kept
    BYTES = 1_000           # that are read for 1 of `work`
    VALUES = 200            # that are read for 1
    OBJECTS = 5             # that Python makes for 1


# --- which fields ------------------------------------------------------------------------------

@cython.overflowcheck(False)    # a hash wraps around
cdef inline uint32_t hash_of(const char *name, uint32_t size) noexcept:
    if size == 0:
        return 0
    return <uint8_t> name[0] + 7 * <uint32_t> <uint8_t> name[size - 1] + 31 * size


@cython.final
cdef class Fields:
    """Field paths and their slots. Paths are added while a rule set is compiled, then `build` makes the
    tables."""

    def __cinit__(self):
        self.slots, self.names = {}, []

    def __dealloc__(self):
        self.free_tables()

    def __len__(self):
        return len(self.slots)

    cdef int slot(self, tuple path) except -1:
        """The slot of a path, which is not empty."""
        if path not in self.slots:
            self.slots[path] = len(self.slots)
        return self.slots[path]

    cdef int free_tables(self) except -1:
        cdef int at
        for at in range(self.n_tables):
            PyMem_Free(self.tables[at].fields)
        PyMem_Free(self.tables)
        self.tables = NULL
        self.n_tables = 0
        return 0

    cdef int build(self) except -1:
        """Makes the tables of the paths so far."""
        cdef dict tree, root = {}
        self.free_tables()
        self.names = []
        for path, slot in self.slots.items():
            try:
                *above, last = [name.encode() for name in path]
            except UnicodeEncodeError:      # half a surrogate pair: no record has such a field
                continue
            tree = root
            for name in above:
                tree = tree.setdefault(name, [-1, {}])[1]
            tree.setdefault(last, [-1, {}])[0] = slot
        tables = 1 + len({path[:at] for path in self.slots for at in range(1, len(path))})
        self.tables = <TableC *> PyMem_Calloc(tables, sizeof(TableC))
        if self.tables is NULL:
            raise MemoryError
        self.add_table(root)
        return 0

    cdef int add_table(self, dict tree) except -1:
        """The number of a new table for what lies at one place."""
        cdef int table = self.n_tables
        cdef uint32_t mask = 3, at
        cdef FieldC *field
        cdef bytes name
        while mask < 2 * <uint32_t> len(tree):
            mask = 2 * mask + 1
        self.tables[table].fields = <FieldC *> PyMem_Calloc(mask + 1, sizeof(FieldC))
        if self.tables[table].fields is NULL:
            raise MemoryError
        self.tables[table].mask = mask
        self.n_tables += 1
        for name, (slot, below) in tree.items():
            self.names.append(name)
            at = hash_of(name, <uint32_t> len(name)) & mask
            while self.tables[table].fields[at].name is not NULL:
                at = (at + 1) & mask
            field = &self.tables[table].fields[at]
            field.name, field.size = <const char *> name, <uint32_t> len(name)
            field.slot = slot
            field.below = self.add_table(below) if below else -1
        return table

    cdef int fill(self, yyjson_val *object, int table, ValueC *values) noexcept:
        """Puts the fields of a JSON object into their slots, which are KIND_MISSING."""
        cdef TableC *known = &self.tables[table]
        cdef yyjson_obj_iter iterator
        cdef yyjson_val *key
        cdef yyjson_val *value
        cdef FieldC *field
        cdef const char *name
        cdef uint32_t size, at
        yyjson_obj_iter_init(object, &iterator)
        while True:
            key = yyjson_obj_iter_next(&iterator)
            if key is NULL:
                return 0
            name, size = yyjson_get_str(key), <uint32_t> yyjson_get_len(key)
            at = hash_of(name, size) & known.mask
            while True:
                field = &known.fields[at]
                if field.name is NULL or (field.size == size and memcmp(field.name, name, size) == 0):
                    break
                at = (at + 1) & known.mask
            if field.name is NULL:
                continue
            value = yyjson_obj_iter_get_val(key)
            if field.slot >= 0:
                copy_value(value, &values[field.slot])
            if field.below >= 0:
                self.clear(field.below, values)     # the key may stand twice
                if yyjson_get_type(value) == YYJSON_TYPE_OBJ:
                    self.fill(value, field.below, values)

    cdef int clear(self, int table, ValueC *values) noexcept:
        cdef uint32_t at
        cdef FieldC *field
        for at in range(self.tables[table].mask + 1):
            field = &self.tables[table].fields[at]
            if field.name is not NULL:
                if field.slot >= 0:
                    values[field.slot].kind = KIND_MISSING
                if field.below >= 0:
                    self.clear(field.below, values)
        return 0


cdef void copy_value(yyjson_val *value, ValueC *into) noexcept:
    """One value; of KIND_NESTED its size is 1 for a map and 0 for a list."""
    cdef uint8_t type = yyjson_get_type(value), subtype
    if type == YYJSON_TYPE_STR:
        into.kind, into.size = KIND_TEXT, <uint32_t> yyjson_get_len(value)
        into.of.text = yyjson_get_str(value)
    elif type == YYJSON_TYPE_NUM:
        subtype = yyjson_get_subtype(value)
        if subtype == YYJSON_SUBTYPE_REAL:
            into.kind, into.of.number = KIND_DOUBLE, yyjson_get_real(value)
        elif subtype == YYJSON_SUBTYPE_SINT:
            into.kind, into.of.integer = KIND_INTEGER, yyjson_get_sint(value)
        else:
            into.of.unsigned = yyjson_get_uint(value)
            into.kind = KIND_INTEGER if into.of.integer >= 0 else KIND_UNSIGNED
    elif type == YYJSON_TYPE_BOOL:
        into.kind = KIND_TRUE if yyjson_get_subtype(value) == YYJSON_SUBTYPE_TRUE else KIND_FALSE
    elif type == YYJSON_TYPE_NULL:
        into.kind = KIND_NIL
    else:
        into.kind, into.size, into.of.nested = KIND_NESTED, type == YYJSON_TYPE_OBJ, value


# --- one record --------------------------------------------------------------------------------

@cython.final
cdef class Event:
    """The record that is at hand, by the slots of `fields`, which is built."""

    def __cinit__(self, Fields fields not None):
        self.fields = fields
        self.values = <ValueC *> PyMem_Calloc(max(len(fields), 1), sizeof(ValueC))
        if self.values is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.values)
        PyMem_Free(self.pool)
        if self.large is not NULL:
            yyjson_doc_free(self.large)

    cdef int forget(self) except -1:
        """Lets go of the record; its texts are no longer good."""
        if self.large is not NULL:
            yyjson_doc_free(self.large)
            self.large = NULL
        self.root = NULL
        self.data, self.size = NULL, 0
        self.copied = self.parsed = None
        self.count = 0
        return 0

    cdef bint read(self, bytes raw) except -1:
        """Reads a record; False if it is not a JSON object."""
        cdef bint found = self.read_at(PyBytes_AS_STRING(raw), len(raw))
        self.copied = raw
        return found

    cdef bint read_at(self, const char *data, Py_ssize_t size) except -1:
        """The same of a record that lies somewhere; yyjson copies it, so nothing has to come after it."""
        cdef yyjson_alc allocator
        cdef yyjson_doc *document
        cdef yyjson_val *root
        cdef size_t needed
        self.forget()
        self.data, self.size = data, size
        if size <= POOLED:
            needed = yyjson_read_max_memory_usage(size, 0)
            if needed > self.room:
                PyMem_Free(self.pool)
                self.pool, self.room = PyMem_Malloc(2 * needed), 2 * needed
                if self.pool is NULL:
                    self.room = 0
                    raise MemoryError
            yyjson_alc_pool_init(&allocator, self.pool, self.room)
            document = yyjson_read_opts(<char *> data, size, 0, &allocator, NULL)
        else:
            document = self.large = yyjson_read_opts(<char *> data, size, 0, NULL, NULL)
        if document is NULL:
            return False
        root = yyjson_doc_get_root(document)
        self.count = yyjson_doc_get_val_count(document)
        if yyjson_get_type(root) != YYJSON_TYPE_OBJ or (size > 2 * MAX_DEPTH and self.too_deep()):
            return False
        memset(self.values, 0, len(self.fields.slots) * sizeof(ValueC))     # KIND_MISSING
        self.fields.fill(root, 0, self.values)
        self.root = root
        return True

    cdef bint too_deep(self) except -1:
        """Whether orjson, which is asked for the whole event, would find it nested too deep.

        Told by the brackets, without making any object: a megabyte may be 300,000 lists.
        """
        cdef const char *at = self.data
        cdef const char *end = at + self.size
        cdef Py_ssize_t place, opened = 0
        cdef int depth = 0
        cdef bint in_text = False
        for place in range(self.size):
            opened += (at[place] == c"[") + (at[place] == c"{")
        if opened <= MAX_DEPTH:
            return False
        while at != end:
            if in_text:
                if at[0] == b"\\":
                    at += 1     # it is JSON: something follows
                elif at[0] == b'"':
                    in_text = False
            elif at[0] == b'"':
                in_text = True
            elif at[0] == b"[" or at[0] == b"{":
                depth += 1
                if depth > MAX_DEPTH:
                    return True
            elif at[0] == b"]" or at[0] == b"}":
                depth -= 1
            at += 1
        return False

    cdef dict whole(self):
        """The event as a dict; not to be written to."""
        if self.parsed is None:
            self.parsed = loads(self.raw())
        return self.parsed

    cdef bytes raw(self):
        """The record as it came."""
        if self.copied is None:
            self.copied = PyBytes_FromStringAndSize(self.data, self.size)
        return self.copied

    cdef int64_t work(self) noexcept:
        cdef int64_t objects = 0 if self.parsed is None else self.count // OBJECTS
        return 1 + self.size // BYTES + self.count // VALUES + objects

    cdef set repeated(self, int levels):
        """The paths of keys that stand more than once in the record, or in objects up to `levels` below."""
        cdef set found = set()
        if repeats(self.root, self.whole(), levels):
            tell_repeated(self.root, (), levels, found)
        return found

    def look(self, bytes raw not None):
        """{path: value} of the record's fields, None if it is not a JSON object. For tests and tools."""
        return fields_of(self) if self.read(raw) else None


cdef bint repeats(yyjson_val *object, dict parsed, int levels) except -1:
    """Whether a key stands twice; `parsed`: the same as Python has it, where it stands once."""
    cdef yyjson_obj_iter iterator
    cdef yyjson_val *key
    if yyjson_obj_size(object) != <size_t> len(parsed):
        return True
    yyjson_obj_iter_init(object, &iterator)
    while levels > 0:
        key = yyjson_obj_iter_next(&iterator)
        if key is NULL:
            break
        if yyjson_get_type(yyjson_obj_iter_get_val(key)) == YYJSON_TYPE_OBJ:
            if repeats(yyjson_obj_iter_get_val(key), parsed[name_of(key)], levels - 1):
                return True
    return False


cdef int tell_repeated(yyjson_val *object, tuple path, int levels, set found) except -1:
    cdef yyjson_obj_iter iterator
    cdef yyjson_val *key
    cdef set names = set()
    yyjson_obj_iter_init(object, &iterator)
    while True:
        key = yyjson_obj_iter_next(&iterator)
        if key is NULL:
            return 0
        here = (*path, name_of(key))
        if here in names:
            found.add(here)
        names.add(here)
        if levels > 0 and yyjson_get_type(yyjson_obj_iter_get_val(key)) == YYJSON_TYPE_OBJ:
            tell_repeated(yyjson_obj_iter_get_val(key), here, levels - 1, found)


cdef str name_of(yyjson_val *key):
    return PyUnicode_DecodeUTF8(yyjson_get_str(key), yyjson_get_len(key), NULL)


def event_of(paths):
    """A reader of these paths. For tests and tools."""
    cdef Fields fields = Fields()
    for path in paths:
        fields.slot(path)
    fields.build()
    return Event(fields)


cdef dict fields_of(Event event):
    cdef dict found = {}
    for path, slot in event.fields.slots.items():
        kind = event.values[<int> slot].kind
        if kind == KIND_NESTED:
            found[path] = {} if event.values[<int> slot].size else []
        elif kind != KIND_MISSING:
            found[path] = object_of(&event.values[<int> slot])
    return found
