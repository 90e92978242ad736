"""The nodes of macros: `all`, `exists`, `exists_one`, `filter`, `map`, and of their variables.

    event.items.exists(item, item.price > 10)
    └ Field: the list of the record, as yyjson has it
                       └ Item, below which `price`: what the present round is about

A list of the record is gone through as yyjson has it, without a Python object for it or for what is compared
of its items. All else (a list that was made, attributes, a kept event, the keys of a map) is a list of
Python's. The item of a round lies in the frame, at the macro's depth. What needs an item as Python has it
takes that from the whole event, which is read once, however many rounds there are.

Each round is charged before it begins (`cel.cost`).

Cost: 15 ns a round, and what its body takes.
Tested by tests/matcher/test_condition_nodes.py and tests/matcher/test_cost.py against
`expression.evaluate`, and by tests/attacks/test_conditions.py.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from stream.events._event cimport copy_value
from stream.events._value cimport ABSENT, KIND_MISSING, KIND_NESTED, ValueC, object_of, value_of
from stream.events._yyjson cimport (
    yyjson_arr_iter,
    yyjson_arr_iter_init,
    yyjson_arr_iter_next,
    yyjson_get_len,
    yyjson_get_str,
    yyjson_obj_iter,
    yyjson_obj_iter_get_val,
    yyjson_obj_iter_init,
    yyjson_obj_iter_next,
    yyjson_obj_size,
    yyjson_val,
)
from stream.matcher._frame cimport MAX_LOOPS, Frame, Node, charge, is_large
from stream.matcher._operators cimport indexed

from stream.cel.strings import MAX_SIZE as _MAX_SIZE
from stream.cel.values import Lookup
from stream.errors import ExpressionError

cdef Py_ssize_t MAX_SIZE = _MAX_SIZE

cdef enum:
    WALKED = 1
    NOWHERE = 0
    TOO_WIDE = -1       # a map of many fields: Python's has a hash table
    WIDE = 16           # fields that are compared one by one


# --- the variable ------------------------------------------------------------------------------

@cython.final
cdef class Item(Node):
    """A macro's variable, or a path below it."""

    cdef Item below(self, str name):
        return item_of(self.items, self.depth, self.path + (name,))

    cdef bint is_native(self, Frame frame) noexcept:
        return frame.loops[self.depth].value.kind != KIND_MISSING

    cdef int walk(self, Frame frame, ValueC *into) noexcept:
        """Finds the value, of an item that is the record's."""
        cdef yyjson_obj_iter iterator
        cdef yyjson_val *key
        cdef yyjson_val *found
        into[0] = frame.loops[self.depth].value
        for name in self.names:
            if into.kind != KIND_NESTED or not into.size:
                return NOWHERE
            if yyjson_obj_size(<yyjson_val *> into.of.nested) > WIDE:
                return TOO_WIDE
            found = NULL
            yyjson_obj_iter_init(<yyjson_val *> into.of.nested, &iterator)
            while True:
                key = yyjson_obj_iter_next(&iterator)
                if key is NULL:
                    break
                if yyjson_get_len(key) == <size_t> len(<bytes> name) and memcmp(
                    yyjson_get_str(key), <const char *> (<bytes> name), len(<bytes> name)
                ) == 0:
                    found = yyjson_obj_iter_get_val(key)    # of a key that stands twice the last one counts
            if found is NULL:
                return NOWHERE
            copy_value(found, into)
        return WALKED

    cdef bint read(self, Frame frame, ValueC *into) except -1:
        cdef int found = TOO_WIDE
        if self.is_native(frame):
            found = self.walk(frame, into)
            if found == WALKED:
                return into.kind != KIND_NESTED
        if found == NOWHERE:
            into.kind = KIND_MISSING
            return True
        if isinstance(frame.items[self.depth], Lookup):
            return False    # it makes its texts anew, and nobody would hold this one
        try:
            # The text is that of the item, which the frame holds.
            value_of(self.value(frame), into)
        except UnicodeEncodeError:      # half a surrogate pair
            return False
        return into.kind != KIND_NESTED

    cdef bint nested(self, Frame frame, ValueC *into) noexcept:
        return self.is_native(frame) and self.walk(frame, into) == WALKED and into.kind == KIND_NESTED

    cdef object value(self, Frame frame):
        cdef ValueC plain
        cdef int found
        cdef object value = frame.items[self.depth]
        if value is ABSENT and self.is_native(frame):
            found = self.walk(frame, &plain)
            if found == NOWHERE:
                return ABSENT
            if found == WALKED and not is_large(&plain):
                return object_of(&plain)
            value = frame.items[self.depth] = self.items.value(frame)[frame.loops[self.depth].at]
        for name in self.path:
            if value is ABSENT:
                return ABSENT
            value = indexed(frame, value, name)
        return value


cdef Item item_of(Node items, int depth, tuple path):
    cdef Item item = Item.__new__(Item)
    item.items, item.depth, item.path = items, depth, path
    item.names = [name.encode("utf-8", "surrogatepass") for name in path]
    return item


@cython.final
cdef class _HasItem(Node):
    """`has(item.field)`; `above` is the path without its last name."""
    cdef Item item, above
    cdef Node slow

    cdef int test(self, Frame frame) except -2:
        cdef ValueC plain
        cdef int found
        if not self.item.is_native(frame):
            return self.slow.test(frame)
        found = self.above.walk(frame, &plain)
        if found == NOWHERE or (found == WALKED and (plain.kind != KIND_NESTED or not plain.size)):
            return -1
        found = self.item.walk(frame, &plain)
        return self.slow.test(frame) if found == TOO_WIDE else found == WALKED


cdef Node has_item(Item item, Node slow):
    """The node of `has` of a path below a variable; `slow` is the general one."""
    cdef _HasItem node = _HasItem()
    node.item, node.slow = item, slow
    node.above = item_of(item.items, item.depth, item.path[:len(item.path) - 1])
    return node


# --- rounds ------------------------------------------------------------------------------------

cdef class Loop(Node):
    """`items` is gone through; `step` is the body."""

    cdef object begin(self, Frame frame, yyjson_arr_iter *iterator):
        """The list to go through; None: the record's, by `iterator`; ABSENT: it is none."""
        cdef ValueC nested
        cdef object values
        if self.items.nested(frame, &nested) and not nested.size:
            yyjson_arr_iter_init(<yyjson_val *> nested.of.nested, iterator)
            frame.looping += 1
            return None
        values = self.items.value(frame)
        if type(values) is dict:
            values = list(values)
        elif type(values) is not list:
            return ABSENT
        frame.looping += 1
        return values

    cdef int advance(self, Frame frame, list values, Py_ssize_t at, yyjson_arr_iter *iterator) except -2:
        """Begins the `at`th round: 1; 0: there is none; -1: refused."""
        cdef yyjson_val *value
        if values is None:
            value = yyjson_arr_iter_next(iterator)
            if value is NULL:
                return 0
            copy_value(value, &frame.loops[self.depth].value)
            frame.loops[self.depth].at = at
            frame.items[self.depth] = ABSENT
        else:
            if at >= len(values):
                return 0
            frame.loops[self.depth].value.kind = KIND_MISSING
            frame.items[self.depth] = values[at]
        return 1 if charge(frame, self.cost) else -1

    cdef int end(self, Frame frame, int outcome) except -2:
        frame.looping -= 1
        frame.items[self.depth] = ABSENT
        return outcome


@cython.final
cdef class _Quantifier(Loop):
    """`exists` (decided by true) or `all` (decided by false); undecided, an error wins."""
    cdef int decisive

    cdef int test(self, Frame frame) except -2:
        cdef yyjson_arr_iter iterator
        cdef Py_ssize_t at = 0
        cdef int64_t refused = frame.refused
        cdef int held, more, outcome = 1 - self.decisive
        cdef object values = self.begin(frame, &iterator)
        if values is ABSENT:
            return -1
        while True:
            more = self.advance(frame, values, at, &iterator)
            if more <= 0:
                return self.end(frame, outcome if more == 0 else -1)
            at += 1
            held = self.step.test(frame)
            if held == self.decisive:
                return self.end(frame, held)
            if held < 0:
                outcome = -1
                if frame.refused != refused:
                    return self.end(frame, -1)


@cython.final
cdef class _ExistsOne(Loop):
    cdef int test(self, Frame frame) except -2:
        cdef yyjson_arr_iter iterator
        cdef Py_ssize_t at = 0, count = 0
        cdef int held, more
        cdef object values = self.begin(frame, &iterator)
        if values is ABSENT:
            return -1
        while True:
            more = self.advance(frame, values, at, &iterator)
            if more <= 0:
                return self.end(frame, count == 1 if more == 0 else -1)
            at += 1
            held = self.step.test(frame)
            if held < 0:
                return self.end(frame, -1)
            count += held


@cython.final
cdef class _Select(Loop):
    """`filter`, and `map`: of the items for which `step` holds (None: all), the values of `made`."""
    cdef Node made
    cdef bint is_map

    cdef object value(self, Frame frame):
        cdef yyjson_arr_iter iterator
        cdef Py_ssize_t at = 0
        cdef int held, more
        cdef list found = []
        cdef object values = self.begin(frame, &iterator)
        if values is ABSENT:
            return ABSENT
        while True:
            more = self.advance(frame, values, at, &iterator)
            if more <= 0:
                self.end(frame, 0)
                return ABSENT if more < 0 or (self.is_map and len(found) > MAX_SIZE) else found
            at += 1
            held = 1 if self.step is None else self.step.test(frame)
            value = self.made.value(frame) if held > 0 else None
            if held < 0 or value is ABSENT:
                self.end(frame, 0)
                return ABSENT
            if held:
                found.append(value)


cdef Node loop_of(str function, Node items, int depth, Py_ssize_t cost, list steps):
    """The node of a macro whose variable is at `depth`; `cost` is that of a round."""
    cdef Loop node
    if depth >= MAX_LOOPS:
        raise ExpressionError("macros that are nested too deep")
    if function == "exists" or function == "all":
        node = _Quantifier()
        (<_Quantifier> node).decisive = function == "exists"
    elif function == "exists_one":
        node = _ExistsOne()
    else:
        node = _Select()
        (<_Select> node).is_map = function == "map"
        (<_Select> node).made = steps[len(steps) - 1] if function == "map" else item_of(items, depth, ())
    node.items, node.depth, node.cost = items, depth, cost
    node.step = None if function == "map" and len(steps) == 1 else steps[0]
    return node
