"""The content of messages, as JSON; the essay is in `_messages.pyx`."""

from stream.events._value cimport ValueC
from stream.matcher._frame cimport Frame, Node
from stream.matcher._match cimport Match
from stream.state._packed cimport Buffer

cdef enum TextValue:
    VALUE_NONE          # nothing: the text ends
    VALUE_NODE
    VALUE_EVENT_NAME
    VALUE_EVENT_TIME
    VALUE_NOW

cdef class TextPart:
    """Some text of a template, and the value behind it."""
    cdef bytes text
    cdef TextValue kind
    cdef Node node
    cdef list keys                  # of its path, computed: Nodes, each of which must be a text
    cdef object fallback            # what `default` says; None: nothing
    cdef bytes fallback_text        # the same, as it is written
    cdef object filtered            # a `content.plain.PlainValue` with filters; None: it has none

    cdef bint put(self, Match match, Buffer out, bint escaped, Py_ssize_t *room) except -1
    cdef object find(self, Match match, ValueC *into)
    cdef bint has_keys(self, Frame frame) except -1

cdef class MessageField:
    """A field of the content, in the format that its channel has for it."""
    cdef str name
    cdef bytes beginning            # its name and a colon, as JSON
    cdef object template, format
    cdef list parts                 # None: python-liquid writes it
    cdef bint is_line, is_markup
    cdef bint is_seen               # whatever the values are, there is something to be seen

    cdef bint put(self, Match match, Buffer text, Buffer out) except -1

cdef class Message:
    """What a rule, or one of its variants, sends on a channel."""
    cdef list fields
    cdef bytes constant             # the content as JSON; None: it has variables

    # Writes the content; None, or an `Unwritten`. `result` counts what could not be written.
    cdef object put(self, Match match, Buffer out, result)
