"""The content of messages: plain texts are written in C, as JSON, others by python-liquid.

A plain text (`content.plain`) is a list of parts: some text, and a value. A value is read where the matcher
has it, by the node that a condition would have for the same path: a slot of the record, a cell of a trait. So
the event does not become a dict, and nothing is looked up by name.

    parts ─► UTF-8 of the text ─► on one line, if the field is a line ─► a JSON string in the content
               numbers, true and false as Python writes them; a value escaped where the format is markup

What is not as usual goes to python-liquid as it is: a value that is missing or null (but for `default`), or
is not a scalar, a filter that fails, values that are long, a text in which nothing is to be seen. So errors,
and all that is odd, have one home. Filters are Python's, of the one value.

Cost: 0.2 µs a field and 50 ns a value; of a decimal 0.3 µs, of a filter 1 and more.
Tested by tests/decisions/test_messages.py, against python-liquid.
"""

cimport cython
from cpython.mem cimport PyMem_Free
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, strlen

from stream.decisions._json cimport (
    TIME_CHARACTERS,
    put_bytes,
    put_digits,
    put_raw,
    put_string,
    put_text,
    write_time,
)
from stream.events._value cimport (
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
    value_of,
)
from stream.matcher._frame cimport Frame, Node
from stream.matcher._match cimport Match
from stream.state._packed cimport Buffer

from stream.content.formats import is_blank, is_line, is_markup, one_line
from stream.decisions._json import encode
from stream.decisions.facts import Facts, render

cdef extern from "Python.h":
    const int Py_DTSF_ADD_DOT_0
    char *PyOS_double_to_string(double number, char format, int precision, int flags, int *type) except NULL

cdef dict OF_MATCH = {
    "event_name": VALUE_EVENT_NAME, "event_time": VALUE_EVENT_TIME, "now": VALUE_NOW,
}
cdef enum:
    # Bytes of all values of a text, a text counted twice, as it is looked at and written. Even with all
    # escaped, and a template as long as one can be, a text is shorter than python-liquid's may be.
    ROOM = 12_288
cdef Buffer scratch = Buffer()      # for the text at hand


# --- values ------------------------------------------------------------------------------------

@cython.no_gc
@cython.final
cdef class TextPart:
    cdef bint put(self, Match match, Buffer out, bint escaped, Py_ssize_t *room) except -1:
        """Writes text and value; False where python-liquid has to look at it."""
        cdef ValueC value
        cdef object found
        cdef Py_ssize_t since
        put_bytes(out, self.text)
        if self.kind == VALUE_NONE:
            return True
        if self.keys is not None and not self.has_keys(match.frame):
            return False
        found = self.find(match, &value)        # owns the bytes of a text
        if self.fallback is not None and is_nothing(&value):
            if self.filtered is None:
                return put_shown(out, self.fallback_text, len(self.fallback_text), escaped, room)
            found = self.fallback
        elif value.kind == KIND_MISSING or value.kind == KIND_NIL or value.kind == KIND_NESTED:
            return False
        if self.filtered is not None:
            if found is None:
                found = object_of(&value)
            room[0] -= value.size if value.kind == KIND_TEXT else 0
            found = self.filtered.text(found, match.attributes, match.rules.policy.region)
            if found is None:
                return False
            value_of(found, &value)
        if value.kind == KIND_TEXT:
            room[0] -= value.size
            return put_shown(out, value.of.text, value.size, escaped, room)
        since = out.size
        put_scalar(out, &value)
        room[0] -= out.size - since
        return True

    cdef object find(self, Match match, ValueC *into):
        """Puts the value `into`; an object, if there is one, is given back."""
        cdef object found
        cdef char time[TIME_CHARACTERS]
        if self.kind == VALUE_NODE:
            if self.node.read(match.frame, into):
                return None
            found = self.node.value(match.frame)
        elif self.kind == VALUE_EVENT_NAME:
            found = match.event_name
        else:
            write_time(time, match.at if self.kind == VALUE_NOW else match.event_time)
            found = time[:TIME_CHARACTERS].decode("ascii")
        value_of(found, into)
        return found

    cdef bint has_keys(self, Frame frame) except -1:
        """Whether the keys that are computed are texts, and mean no more than a name."""
        cdef Node key
        cdef ValueC value
        cdef object found = None
        for key in self.keys:
            if not key.read(frame, &value):
                found = key.value(frame)
                value_of(found, &value)
            if value.kind != KIND_TEXT or is_odd(value.of.text, value.size):
                return False
        return True


cdef bint is_odd(const char *key, Py_ssize_t size) noexcept:
    """Whether Liquid makes more of a key than a name."""
    if size == 4:
        return memcmp(key, b"size", 4) == 0 or memcmp(key, b"last", 4) == 0
    return size == 5 and memcmp(key, b"first", 5) == 0


cdef bint is_nothing(const ValueC *value) noexcept:
    """Whether `default` has its turn."""
    return value.kind <= KIND_FALSE or (value.kind == KIND_TEXT and value.size == 0)


cdef bint put_shown(
    Buffer out, const char *text, Py_ssize_t size, bint escaped, Py_ssize_t *room
) except -1:
    """Writes a text, escaped for HTML if that is asked for; False if it does not fit any more."""
    cdef const char *shown
    cdef Py_ssize_t at, since = 0
    room[0] -= size
    if room[0] < 0:
        return False
    if escaped:
        for at in range(size):
            shown = markup_of(text[at])
            if shown is not NULL:
                put_raw(out, text + since, at - since)
                put_raw(out, shown, strlen(shown))
                since = at + 1
    put_raw(out, text + since, size - since)
    return True


cdef const char *markup_of(char byte) noexcept:
    """What `html.escape` writes for it; NULL: itself."""
    if byte == c"&":
        return b"&amp;"
    if byte == c"<":
        return b"&lt;"
    if byte == c">":
        return b"&gt;"
    if byte == c'"':
        return b"&quot;"
    if byte == c"'":
        return b"&#x27;"
    return NULL


cdef int put_scalar(Buffer out, const ValueC *value) except -1:
    """Writes a number, true or false, as `escaping.written` does."""
    cdef char *number
    if value.kind == KIND_INTEGER:
        return put_digits(out, value.of.integer)
    if value.kind == KIND_TRUE:
        return put_raw(out, b"true", 4)
    if value.kind == KIND_FALSE:
        return put_raw(out, b"false", 5)
    if value.kind == KIND_UNSIGNED:
        return put_bytes(out, b"%d" % value.of.unsigned)
    number = PyOS_double_to_string(value.of.number, c"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    put_raw(out, number, strlen(number))
    PyMem_Free(number)
    return 0


# --- texts -------------------------------------------------------------------------------------

@cython.no_gc
@cython.final
cdef class MessageField:
    def __cinit__(self, str name, template, form, dict read):
        self.name, self.template, self.format = name, template, form
        self.beginning = encode(name) + b":"
        self.is_line, self.is_markup = is_line(form), is_markup(form)
        if template.plain is not None and form != "json":
            self.parts = parts_of(template.plain, read)
            self.is_seen = not is_blank("".join([part for part in template.plain if type(part) is str]))

    cdef bint put(self, Match match, Buffer text, Buffer out) except -1:
        """Writes the text as a JSON string; False where python-liquid has to, and nothing is written."""
        cdef TextPart part
        cdef Py_ssize_t room = ROOM
        cdef const uint8_t *data
        cdef Py_ssize_t size
        if self.parts is None:
            return False
        text.size = 0
        for part in self.parts:
            if not part.put(match, text, self.is_markup, &room):
                return False
        data, size = text.data, text.size
        if room < 0 or not (self.is_seen or is_visible(data, size)):
            return False
        if self.is_line:
            if breaks(data, size):
                return put_text(out, one_line(PyUnicode_DecodeUTF8(<const char *> data, size, NULL))) == 0
            while size and data[0] == c" ":
                data += 1
                size -= 1
            while size and data[size - 1] == c" ":
                size -= 1
        return put_string(out, <const char *> data, size) == 0


cdef list parts_of(tuple plain, dict read):
    """The parts, None if there is a value that the matcher does not have."""
    cdef TextPart part = TextPart.__new__(TextPart)
    cdef list found = [part]
    part.text = b""
    for each in plain:
        if type(each) is str:
            part.text += each.encode()
            continue
        if each.fallback is not None:
            part.fallback, part.fallback_text = each.fallback, each.fallback_text.encode()
        if not place(part, each.path, read):
            return None
        part.filtered = each if each.filters else None
        part = TextPart.__new__(TextPart)
        part.text = b""
        found.append(part)
    return found


cdef bint place(TextPart part, tuple path, dict read) except -1:
    """Says where the value lies; False if it lies nowhere."""
    root, keys = path
    if not keys and root in OF_MATCH:
        part.kind = OF_MATCH[root]
        return True
    part.kind, part.node = VALUE_NODE, read.get(path)
    computed = [key for key in keys if type(key) is not str]
    if part.node is None or root in OF_MATCH or not all([key in read for key in computed]):
        return False
    if computed:
        if any([type(each) is not str for key in computed for each in key[1]]):
            return False
        part.keys = [read[key] for key in computed]
    return True


cdef bint is_visible(const uint8_t *text, Py_ssize_t size) except -1:
    """Whether a reader sees anything of it."""
    cdef Py_ssize_t at
    for at in range(size):
        if c" " < text[at] < 0x7F:
            return True
    return not is_blank(PyUnicode_DecodeUTF8(<const char *> text, size, NULL))


cdef bint breaks(const uint8_t *text, Py_ssize_t size) noexcept:
    """Whether there is anything that `formats.one_line` takes out from between others."""
    cdef Py_ssize_t at
    cdef uint8_t byte, third
    for at in range(size):
        byte = text[at]
        if byte < 0x20 or byte == 0x7F:
            return True
        if byte == 0xC2 and text[at + 1] < 0xA0:
            return True
        if byte == 0xE2 and text[at + 1] <= 0x81:
            third = text[at + 2]
            if (0xA8 <= third <= 0xAE) if text[at + 1] == 0x80 else 0xA6 <= third <= 0xA9:
                return True
    return False


# --- messages ----------------------------------------------------------------------------------

@cython.no_gc
@cython.final
cdef class Message:
    def __cinit__(self, said, channel, dict read):
        """`said`: a `model.Rule` or a `model.Variant`. `read`: the nodes of the paths of its plain texts."""
        if said.plain_content is not None:
            self.constant = encode(dict(said.plain_content))
        self.fields = [
            MessageField(name, template, channel.format_of(name), read)
            for name, template in said.content.items()
        ]

    cdef object put(self, Match match, Buffer out, result):
        cdef MessageField field
        cdef bint first = True
        facts = None
        if self.constant is not None:
            put_bytes(out, self.constant)
            return None
        for field in self.fields:
            put_raw(out, b"{" if first else b",", 1)
            first = False
            put_bytes(out, field.beginning)
            if field.put(match, scratch, out):
                continue
            if facts is None:
                facts = Facts(match)
            text = render(facts, match, field.name, field.template, field.format, result)
            if type(text) is not str:
                return text
            put_text(out, text)
        put_raw(out, b"}", 1)
        return None
