"""JSON as records have it: texts, times and numbers into a buffer, the bytes as orjson writes them.

Two things that may be at hand cannot be written, and a worker must not die of them again and again. Text that
UTF-8 cannot carry (halves of surrogate pairs) never comes out of a decoded event, but a rule file's escapes
can put it into content: pairs are joined and odd halves become U+FFFD. And an address may be a JSON value
that is nested deeper than the encoder goes: what lies deeper than `MAX_DEPTH` becomes null.

Days are told by Howard Hinnant's `civil_from_days` (howardhinnant.github.io/date_algorithms.html).
Tested by tests/decisions/test_json.py, against orjson and datetime.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from stream.events._times cimport LATEST
from stream.state._packed cimport Buffer, reserve

import orjson

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

MAX_DEPTH = 64
cdef int deepest = MAX_DEPTH
cdef enum:
    ESCAPED = 6                         # bytes of a character that is written as \u0000, the longest
cdef int64_t EARLIEST = -62_135_596_800_000     # of the year 1
cdef const char *HEX = b"0123456789abcdef"
cdef object dumps = orjson.dumps


cdef int put_digits(Buffer out, int64_t number) except -1:
    reserve(out, DIGITS)
    out.size += write_digits(<char *> out.data + out.size, number)
    return 0


@cython.cdivision(True)
@cython.overflowcheck(False)        # the smallest number has no positive one
cdef int write_digits(char *into, int64_t number) noexcept:
    cdef char digits[DIGITS]
    cdef int at = DIGITS, sign = number < 0
    cdef uint64_t left = 0 - <uint64_t> number if sign else <uint64_t> number
    while True:
        at -= 1
        digits[at] = <char> (c"0" + left % 10)
        left //= 10
        if left == 0:
            break
    into[0] = c"-"
    memcpy(into + sign, digits + at, DIGITS - at)
    return DIGITS - at + sign


cdef int put_text(Buffer out, str text) except -1:
    cdef Py_ssize_t size = 0
    cdef const char *data
    if text is None:
        return put_raw(out, b"null", 4)
    try:
        data = PyUnicode_AsUTF8AndSize(text, &size)
    except UnicodeEncodeError:
        text = _mended_text(text)
        data = PyUnicode_AsUTF8AndSize(text, &size)
    return put_string(out, data, size)


cdef int put_string(Buffer out, const char *text, Py_ssize_t size) except -1:
    cdef Py_ssize_t at = 0, since = 0
    cdef uint8_t byte
    cdef uint64_t eight
    reserve(out, size + 2)
    out.data[out.size] = c'"'
    out.size += 1
    while at < size:
        if at + 8 <= size:
            memcpy(&eight, text + at, 8)
            if not _any_escaped(eight):
                at += 8
                continue
        byte = <uint8_t> text[at]
        at += 1
        if byte >= 0x20 and byte != c'"' and byte != c"\\":
            continue
        reserve(out, at - 1 - since + ESCAPED + size - at + 1)
        memcpy(out.data + out.size, text + since, at - 1 - since)
        out.size += at - 1 - since
        out.size += _escape(out.data + out.size, byte)
        since = at
    memcpy(out.data + out.size, text + since, size - since)
    out.size += size - since
    out.data[out.size] = c'"'
    out.size += 1
    return 0


@cython.overflowcheck(False)
cdef inline bint _any_escaped(uint64_t eight) noexcept:
    """Whether one of eight bytes does not stand for itself (`hasless`, graphics.stanford.edu/~seander)."""
    cdef uint64_t ones = 0x0101010101010101, quote, back
    quote, back = eight ^ ones * c'"', eight ^ ones * c"\\"
    return (
        (
            (eight - ones * 0x20) & ~eight
            | (quote - ones) & ~quote
            | (back - ones) & ~back
        ) & ones * 0x80
    ) != 0


cdef int _escape(uint8_t *into, uint8_t byte) noexcept:
    """Writes a byte that does not stand for itself, and how many that took."""
    cdef uint8_t short = 0
    if byte == c'"' or byte == c"\\":
        short = byte
    elif byte == c"\n":
        short = c"n"
    elif byte == c"\r":
        short = c"r"
    elif byte == c"\t":
        short = c"t"
    elif byte == c"\b":
        short = c"b"
    elif byte == c"\f":
        short = c"f"
    into[0] = c"\\"
    if short:
        into[1] = short
        return 2
    memcpy(into + 1, b"u00", 3)
    into[4], into[5] = <uint8_t> HEX[byte >> 4], <uint8_t> HEX[byte & 15]
    return 6


cdef int put_time(Buffer out, int64_t ms) except -1:
    reserve(out, TIME_CHARACTERS + 2)
    out.data[out.size] = c'"'
    write_time(<char *> out.data + out.size + 1, ms)
    out.data[out.size + 1 + TIME_CHARACTERS] = c'"'
    out.size += TIME_CHARACTERS + 2
    return 0


cdef inline void _two(char *into, int64_t number) noexcept:
    into[0], into[1] = <char> (c"0" + number // 10), <char> (c"0" + number % 10)


cdef int write_time(char *into, int64_t ms) except -1:
    global written_ms
    if ms != written_ms:            # the records of a match say the same one again and again
        _write_time(written_time, ms)
        written_ms = ms
    memcpy(into, written_time, TIME_CHARACTERS)
    return 0


cdef int64_t written_ms = -1
cdef char written_time[TIME_CHARACTERS]
_write_time(written_time, written_ms)


@cython.cdivision(True)
cdef int _write_time(char *into, int64_t ms) except -1:
    cdef int64_t since, day, era, of_era, year_of_era, of_year, march, rest, year, month
    if not EARLIEST <= ms <= LATEST:
        raise ValueError("a time of no year from 1 to 9999")
    since = ms - EARLIEST                   # so that nothing is negative
    day, rest = since // 86_400_000 + 306, since % 86_400_000       # from 1 March of the year 0 on
    era, of_era = day // 146_097, day % 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march = (5 * of_year + 2) // 153
    month = march + 3 if march < 10 else march - 9
    year = year_of_era + era * 400 + (month <= 2)
    _two(into, year // 100)
    _two(into + 2, year % 100)
    into[4] = c"-"
    _two(into + 5, month)
    into[7] = c"-"
    _two(into + 8, of_year - (153 * march + 2) // 5 + 1)
    into[10] = c"T"
    _two(into + 11, rest // 3_600_000)
    into[13] = c":"
    _two(into + 14, rest // 60_000 % 60)
    into[16] = c":"
    _two(into + 17, rest // 1000 % 60)
    into[19], into[20] = c".", <char> (c"0" + rest % 1000 // 100)
    _two(into + 21, rest % 100)
    into[23] = c"Z"
    return 0


cdef int put_value(Buffer out, value) except -1:
    if value is None or type(value) is str:
        return put_text(out, value)
    return put_bytes(out, encode(value))


def iso_time(int64_t ms):
    """`2026-03-02T10:00:00.000Z` of milliseconds since 1970; ValueError past the year 9999."""
    cdef char text[TIME_CHARACTERS]
    write_time(text, ms)
    return text[:TIME_CHARACTERS].decode("ascii")


def encode(value):
    """A value as JSON; what JSON cannot carry is mended, see above."""
    try:
        return dumps(value)
    except TypeError:
        return dumps(_mended(value, 1))


cdef str _mended_text(str text):
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


cdef object _mended(value, int depth):
    """The value with all its text valid as UTF-8, and nothing below the deepest level."""
    if isinstance(value, str):
        return _mended_text(value)
    if isinstance(value, (dict, list, tuple)) and depth == deepest:
        return None
    if isinstance(value, dict):
        return {_mended_text(key): _mended(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mended(item, depth + 1) for item in value]
    return value
