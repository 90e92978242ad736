"""MurmurHash2; the essay is in `_murmur.pyx`."""

from libc.stdint cimport int32_t, uint8_t, uint32_t

cdef uint32_t murmur2(const uint8_t *data, Py_ssize_t size, uint32_t seed) noexcept
cdef int32_t partition_of_text(str key, int32_t partitions) except -1
