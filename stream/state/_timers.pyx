"""A heap of customers by what each has due first: deadline, then rank, then customer id.

16 bytes and a pointer a customer that has a timer; how they are kept true is said in `_customers`. The
customers are not owned: whoever removes one from the partition clears the heap first.
Cost: a push of what comes after the others 10 ns; else as deep as the heap.
Tested by tests/state/test_customer.py.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from stream.state._customer cimport Customer


cdef bint before(const TimerC *one, const TimerC *other) noexcept:
    if one.deadline != other.deadline:
        return one.deadline < other.deadline
    if one.rank != other.rank:
        return one.rank < other.rank
    return is_before(<Customer> one.customer, <Customer> other.customer)


cdef bint is_before(Customer one, Customer other) noexcept:
    """By id, in the order of code points, which is that of the bytes of UTF-8."""
    cdef Py_ssize_t size = 0, other_size = 0
    cdef const char *id = one.id_bytes(&size)
    cdef const char *other_id = other.id_bytes(&other_size)
    cdef int order = memcmp(id, other_id, min(size, other_size))
    return order < 0 or (order == 0 and size < other_size)


@cython.no_gc
@cython.final
cdef class Timers:
    """A binary heap in an array: the children of `at` are 2 at + 1 and 2 at + 2."""

    def __dealloc__(self):
        PyMem_Free(self.heap)

    cdef int put(self, int64_t deadline, int rank, Customer customer) except -1:
        """Adds one without a look at the order; `order` makes a heap of all."""
        cdef Py_ssize_t room = max(self.room + (self.room >> 1), 16)
        cdef TimerC *grown
        if self.n == self.room:
            grown = <TimerC *> PyMem_Realloc(self.heap, room * sizeof(TimerC))
            if grown is NULL:
                raise MemoryError
            self.heap = grown
            self.room = room
        self.heap[self.n].deadline = deadline
        self.heap[self.n].rank = rank
        self.heap[self.n].customer = <void *> customer
        self.n += 1
        return 0

    cdef int order(self) except -1:
        cdef Py_ssize_t at = self.n // 2
        while at:
            at -= 1
            self.sink(at, self.heap[at])
        return 0

    cdef int push(self, int64_t deadline, int rank, Customer customer) except -1:
        cdef TimerC timer
        cdef Py_ssize_t at = self.n
        self.put(deadline, rank, customer)
        timer = self.heap[at]
        while at and before(&timer, &self.heap[(at - 1) // 2]):
            self.heap[at] = self.heap[(at - 1) // 2]
            at = (at - 1) // 2
        self.heap[at] = timer
        return 0

    cdef int pop(self) except -1:
        """Takes the first one out."""
        self.n -= 1
        if self.n:
            self.sink(0, self.heap[self.n])
        return 0

    cdef int put_back(self, int64_t deadline, int rank) except -1:
        """Gives the first one a later deadline or a rank that comes after."""
        cdef TimerC timer = self.heap[0]
        timer.deadline, timer.rank = deadline, rank
        return self.sink(0, timer)

    cdef int clear(self) noexcept:
        self.n = 0
        return 0

    cdef int sink(self, Py_ssize_t at, TimerC timer) noexcept:
        """Puts a timer at a place, or below it where others come first."""
        cdef Py_ssize_t child = 2 * at + 1
        while child < self.n:
            if child + 1 < self.n and before(&self.heap[child + 1], &self.heap[child]):
                child += 1
            if not before(&self.heap[child], &timer):
                break
            self.heap[at] = self.heap[child]
            at = child
            child = 2 * at + 1
        self.heap[at] = timer
        return 0
