"""What of a customer goes where there is too much of it to be written; when, is `_customers`' business.

    traits       the largest one loses its oldest quarter: keys and values, or slices; at least one
    instances    the oldest; of those that quiet hours have put off only when no other is left,
                 for they have a decision `deferred` that would be their last
    the rest     in this order, each only where that is not enough: parts that no rule knows, what third
                 parties said, and the grounds on which was consented

Sends, attributes and consents stay: a cap must not be overrun, and a withdrawal not be forgotten. So do the
ids of sources with `dedupe`, of which there are 1.5 KB a source.
Tested by tests/attacks/test_sizes.py and tests/state/test_customer.py.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from stream.state._customer cimport (
    HEADER,
    SECTION_TRAITS,
    Consent,
    Customer,
    PartC,
    next_part,
)
from stream.state._instances cimport HeadC
from stream.state._packed cimport span
from stream.state._windows cimport without_oldest


cdef int shorten(Customer customer) except -1:
    """Drops the oldest quarter of the largest trait."""
    cdef const uint8_t *at = <const uint8_t *> customer.applied + customer.traits_at
    cdef const uint8_t *end = <const uint8_t *> customer.applied + customer.instances_at
    cdef const uint8_t *since
    cdef const uint8_t *until
    cdef PartC part
    cdef uint32_t size, largest = 0
    cdef int there, slot = -1
    cdef Py_ssize_t head, body, first, last
    while at != end:
        next_part(&at, &there, &size)
        at += size
        if size > largest:
            slot, largest = there, size
    if slot < 0 or not customer.seek(slot, &part):
        return 0
    without_oldest(part.body, part.end, &customer.layout.trait[slot], part.base, &since, &until)
    head, body = customer.offset(part.at), customer.offset(part.body)
    first, last = customer.offset(since), customer.offset(until)
    if first == last:
        return customer.splice(SECTION_TRAITS, head, span(part.at, part.end), NULL, 0)
    customer.splice(SECTION_TRAITS, last, span(until, part.end), NULL, 0)
    customer.splice(SECTION_TRAITS, body, first - body, NULL, 0)
    size = <uint32_t> (last - first + body - head - HEADER)
    memcpy(<uint8_t *> customer.applied + head + 2, &size, 4)
    return 0


cdef dict oldest(Customer customer, Py_ssize_t size):
    """The oldest instances that take so many bytes, to be closed: first those not put off by quiet hours.

    No clock: nothing would set it again.
    """
    cdef HeadC head
    cdef const uint8_t *at
    cdef dict gone = {}
    for put_off in (False, True):
        at = <const uint8_t *> customer.applied + customer.instances_at
        while size > 0 and customer.next_waiting(&at, &head):
            if (head.since >= 0) == put_off and (put_off or head.rank not in customer.layout.clocks):
                gone[head.sequence] = None
                size -= span(head.at, head.end)
    return gone


cdef bint drop_rare(Customer customer) except -1:
    """Drops what comes next of the rest; whether there was something."""
    cdef Consent consent
    cdef dict consents = customer.rare.consents
    if customer.rare.foreign is not None:
        customer.rare.foreign = None
        return True
    if customer.rare.contexts is not None:
        customer.rare.contexts = None
        return True
    if consents is None:
        return False
    customer.rare.consents = {
        purpose: Consent(consent.granted, consent.at, None, consent.expires, consent.doubtful)
        for purpose, consent in consents.items()
    }
    return any([(<Consent> consent).basis is not None for consent in consents.values()])
