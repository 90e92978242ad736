"""CRC-32C; the essay is in `_crc32c.pyx`."""

from libc.stdint cimport uint8_t, uint32_t


cdef uint32_t checksum(const uint8_t *data, Py_ssize_t size) except? 0
