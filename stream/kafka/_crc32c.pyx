"""CRC-32C, the checksum of Kafka's batches, by the processor's own instruction where it has one.

aiokafka's goes by tables, at 0.65 µs a kilobyte: half of what reading a batch cost. An instruction takes 8
bytes at once; where there is none, eight tables do. Which of the two is decided when this is loaded; on ARM
when it is compiled.
Tested by tests/kafka/test_crc32c.py.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint32_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__x86_64__)
    #include <nmmintrin.h>
    #define STREAM_CRC_TARGET __attribute__((target("sse4.2")))
    #define STREAM_CRC_IS_THERE __builtin_cpu_supports("sse4.2")
    #define STREAM_CRC_8(crc, word) _mm_crc32_u64(crc, word)
    #define STREAM_CRC_1(crc, byte) _mm_crc32_u8(crc, byte)
    #elif defined(__ARM_FEATURE_CRC32)
    #include <arm_acle.h>
    #define STREAM_CRC_TARGET
    #define STREAM_CRC_IS_THERE 1
    #define STREAM_CRC_8(crc, word) __crc32cd(crc, word)
    #define STREAM_CRC_1(crc, byte) __crc32cb(crc, byte)
    #else
    #define STREAM_CRC_TARGET
    #define STREAM_CRC_IS_THERE 0
    #define STREAM_CRC_8(crc, word) (crc)
    #define STREAM_CRC_1(crc, byte) (crc)
    #endif

    static uint32_t stream_crc_tables[8][256];

    static int stream_crc_prepare(void) {
        uint32_t crc;
        int table, byte, bit;
        for (byte = 0; byte < 256; byte++) {
            for (crc = byte, bit = 0; bit < 8; bit++)
                crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
            stream_crc_tables[0][byte] = crc;
        }
        for (table = 1; table < 8; table++)
            for (byte = 0; byte < 256; byte++) {
                crc = stream_crc_tables[table - 1][byte];
                stream_crc_tables[table][byte] = crc >> 8 ^ stream_crc_tables[0][crc & 255];
            }
        return STREAM_CRC_IS_THERE != 0;
    }

    STREAM_CRC_TARGET
    static uint32_t stream_crc_by_instruction(const uint8_t *data, Py_ssize_t size) {
        uint64_t crc = 0xFFFFFFFFu, word;
        for (; size >= 8; size -= 8, data += 8) {
            memcpy(&word, data, 8);
            crc = STREAM_CRC_8(crc, word);
        }
        for (; size; size--, data++)
            crc = STREAM_CRC_1((uint32_t) crc, *data);
        return (uint32_t) ~crc;
    }

    static uint32_t stream_crc_by_tables(const uint8_t *data, Py_ssize_t size) {
        uint32_t crc = 0xFFFFFFFFu;
        uint32_t (*tables)[256] = stream_crc_tables;
        for (; size >= 8; size -= 8, data += 8) {
            crc ^= data[0] | data[1] << 8 | data[2] << 16 | (uint32_t) data[3] << 24;
            crc = tables[7][crc & 255] ^ tables[6][crc >> 8 & 255] ^ tables[5][crc >> 16 & 255]
                ^ tables[4][crc >> 24] ^ tables[3][data[4]] ^ tables[2][data[5]] ^ tables[1][data[6]]
                ^ tables[0][data[7]];
        }
        for (; size; size--, data++)
            crc = crc >> 8 ^ tables[0][(crc ^ *data) & 255];
        return ~crc;
    }
    """
    bint stream_crc_prepare() noexcept
    uint32_t stream_crc_by_instruction(const uint8_t *data, Py_ssize_t size) noexcept
    uint32_t stream_crc_by_tables(const uint8_t *data, Py_ssize_t size) noexcept

cdef bint has_instruction = stream_crc_prepare()


def crc32c(data not None, bint by_tables=False):
    """The checksum of bytes; the same `by_tables`, whatever the processor has."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
    try:
        if has_instruction and not by_tables:
            return stream_crc_by_instruction(<const uint8_t *> buffer.buf, buffer.len)
        return stream_crc_by_tables(<const uint8_t *> buffer.buf, buffer.len)
    finally:
        PyBuffer_Release(&buffer)
