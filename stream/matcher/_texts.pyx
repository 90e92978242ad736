"""The nodes of tests of a text: `contains`, `startsWith`, `endsWith`, `matches`.

RE2 cannot be interrupted: what a search may take at most, its program times the text, is charged before it.

Cost: 20 ns for short texts, `matches` 1 us.
Tested by tests/matcher/test_condition_nodes.py against `expression.evaluate`, and
tests/attacks/test_conditions.py.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from stream.matcher._frame cimport Frame, Node, charge
from stream.events._value cimport ABSENT, KIND_TEXT, ValueC

cdef extern from "string.h":
    void *memmem(const void *text, size_t size, const void *part, size_t part_size) noexcept

from stream.cel import cost as _cost
from stream.cel.cost import before
from stream.cel.strings import pattern_of
from stream.errors import ExpressionError

TEXT_TESTS = ("contains", "startsWith", "endsWith")
cdef int64_t CHARACTERS = _cost.CHARACTERS, PATTERN_STEPS = _cost.PATTERN_STEPS
cdef int64_t MATCH_PER_STEP = _cost.MATCH_PER_STEP


@cython.final
cdef class _TextTest(Node):
    """`text.contains(part)`, `text.startsWith(part)`, `text.endsWith(part)`"""
    cdef Node text, part
    cdef int kind       # an index of TEXT_TESTS

    def __init__(self, Node text, Node part, str function):
        self.text, self.part, self.kind = text, part, TEXT_TESTS.index(function)

    cdef int test(self, Frame frame) except -2:
        cdef object text, part
        cdef int64_t size
        cdef ValueC one, other
        if self.text.read(frame, &one) and self.part.read(frame, &other):
            if one.kind == KIND_TEXT and other.kind == KIND_TEXT and one.size + other.size < CHARACTERS:
                return self.test_short(&one, &other)
        text = self.text.value(frame)
        if text is ABSENT:
            return -1
        part = self.part.value(frame)
        if part is ABSENT:
            return -1
        if type(text) is not str or type(part) is not str:
            charge(frame, before(TEXT_TESTS[self.kind], [text, part]))      # as the plain evaluator is
            return -1
        size = len(<str> text) + len(<str> part)
        if size >= CHARACTERS and not charge(frame, size // CHARACTERS):
            return -1
        if self.kind == 0:
            return <str> part in <str> text
        return (<str> text).startswith(<str> part) if self.kind == 1 else (<str> text).endswith(<str> part)

    cdef bint test_short(self, const ValueC *text, const ValueC *part) noexcept:
        """Of what was read, and is not charged: UTF-8 has the same parts as the text."""
        cdef const char *begin
        if self.kind == 0:
            return memmem(text.of.text, text.size, part.of.text, part.size) is not NULL
        if part.size > text.size:
            return False
        begin = text.of.text
        if self.kind == 2:
            begin += text.size - part.size
        return memcmp(begin, part.of.text, part.size) == 0


@cython.final
cdef class _Matches(Node):
    """`text.matches("pattern")`, or with a pattern that comes with the event."""
    cdef Node text, pattern     # the latter None if it is written in the rule
    cdef object search
    cdef int64_t size           # of its program
    cdef Py_ssize_t length      # of its text

    def __init__(self, Node text, Node pattern, str source):
        self.text, self.pattern = text, pattern
        if source is not None:
            self.search, self.size = pattern_of(source, True)
            self.length = len(source)

    cdef int test(self, Frame frame) except -2:
        cdef object text = self.text.value(frame), search = self.search, pattern
        cdef int64_t size = self.size, length = self.length, extra = 0
        if text is ABSENT:
            return -1
        if self.pattern is not None:
            pattern = self.pattern.value(frame)
            if type(pattern) is not str:
                return -1
            length, extra = len(<str> pattern), PATTERN_STEPS
        if type(text) is not str:
            return -1
        length += len(<str> text)
        if length + extra >= CHARACTERS and not charge(frame, length // CHARACTERS + extra):
            return -1
        try:
            if self.pattern is not None:
                search, size = pattern_of(pattern, False)
            raw = (<str> text).encode()
        except (ExpressionError, UnicodeError):
            return -1
        if not charge(frame, size * len(<bytes> raw) // MATCH_PER_STEP):
            return -1
        return search(raw) is not None


def text_test(str function not None, Node text not None, Node part not None):
    """The node of one of TEXT_TESTS."""
    return _TextTest(text, part, function)


def match(Node text not None, Node pattern, str source):
    """The node of `matches`: with `source`, if the pattern is written in the rule, else `pattern`.

    ExpressionError for a source that RE2 cannot read, or that is too long.
    """
    return _Matches(text, pattern, source)
