"""Values of JSON that stand in a list, or one after the other over several lines, cut from each other.

Only brackets and texts are followed: what a value holds is for whoever reads it. A list may be of any length;
at hand is one value at a time. After a list another may come.
Tested by tests/history/test_splitter.py.
"""

cimport cython


@cython.final
cdef class Splitter:
    """Takes the text in pieces. `in_list`: the values are those of lists, with `once` of one: what follows it
    is `after`. `most`: bytes of a value.
    """

    cdef bint in_list, once, in_text, escaped, is_open
    cdef readonly bytes after
    cdef int depth
    cdef bytearray value        # begun and not ended
    cdef readonly long long line
    cdef readonly bint too_long
    cdef Py_ssize_t most

    def __cinit__(self, bint in_list, Py_ssize_t most, bint once=False):
        self.in_list, self.most, self.once, self.after = in_list, most, once, None
        self.value, self.line = bytearray(), 1

    @property
    def is_whole(self):
        """Whether nothing is begun and not ended."""
        return not self.value and not self.is_open and self.depth == 0

    def split(self, bytes block not None):
        """The values that end in it, and of each the line on which it ends."""
        cdef const unsigned char *text = <const unsigned char *> <char *> block
        cdef Py_ssize_t at, start = -1 if not self.value else 0, size = len(block)
        cdef unsigned char c
        values, lines = [], []
        if self.after is not None:
            self.after = (self.after + block)[:self.most]
            return values, lines
        for at in range(size):
            c = text[at]
            if c == b"\n":
                self.line += 1
            if self.in_text:
                if self.escaped:
                    self.escaped = False
                elif c == b"\\":
                    self.escaped = True
                elif c == b'"':
                    self.in_text = False
                continue
            if self.depth == 0 and (c <= b" " or (self.in_list and (c == b"," or c == b"[" or c == b"]"))):
                if start >= 0:      # the end of a number, a word, a text
                    self.end(block[start:at], values, lines)
                    start = -1
                if c == b"[" and not self.is_open:
                    self.is_open = True
                    continue
                if c == b"]" and self.is_open:
                    self.is_open = False
                    if self.once:
                        self.after = block[at + 1:]
                        return values, lines
                    continue
                if c != b"[":
                    continue
            if start < 0:
                start = at
            if c == b'"':
                self.in_text = True
            elif c == b"{" or c == b"[":
                self.depth += 1
            elif (c == b"}" or c == b"]") and self.depth > 0:
                self.depth -= 1
                if self.depth == 0:
                    self.end(block[start:at + 1], values, lines)
                    start = -1
        if start >= 0:
            self.value += block[start:]
            self.too_long = len(self.value) > self.most
        return values, lines

    def rest(self):
        """What is begun and not ended."""
        return bytes(self.value)

    cdef int end(self, bytes tail, list values, list lines) except -1:
        values.append(bytes(self.value) + tail if self.value else tail)
        lines.append(self.line)
        self.value.clear()
        return 0
