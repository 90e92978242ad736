"""Guards: what may keep a match from being sent. The first that refuses gives the reason.

The order: `disabled`, `rollout`, `stale`, `limit`, `suppressed`, `silenced`, `consent`, `address`, `quiet`,
`group`, `cap`, `holdout`. A guard that lacks what it needs to know refuses: guards fail closed. Before them
all, what the rule's `unless` has closed while it was put off is over. `disabled` and `rollout` say whether
the rule speaks at all, and to the customer, so they are asked before what depends on time, event or what was
sent: a rule that is off has this reason alone, and a roll-out's share of the matches is its share of the
customers.

Consent is the channel's, and that of every sensitive subject that the rule is about, whatever the channel: a
channel that needs none does not show a pregnancy either.

A rule may name several channels. The one that is sent on is the first, in the order of preference, that is
neither suppressed nor silenced, and has consent, an address and room under its cap; the customer's own
preference (attribute `preferred_channel`) goes first if the rule names it. Where no channel is left, the
reason is that of the first one. Whether it is quiet is asked of the chosen channel only. A held-out customer
uses up limit and caps, and silences, exactly as if sent to.

A guard is a function here, its line in `judge`, its reason in `structs.SuppressionReason`, and a row in
tests/decisions/test_guards.py. What counts after a crash is in `limits`.

Tested by tests/decisions/test_guards.py and test_twins.py, and by the reference model.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.decisions._experiments cimport is_held_out, is_rolled_out
from stream.decisions._sending cimport Sending, Uses, Way, sending_of
from stream.matcher._match cimport Match
from stream.state._customer cimport Consent

from stream.decisions.addresses import MAX_TEXT as _MAX_TEXT
from stream.decisions.addresses import is_address
from stream.decisions.calendar import END as _END
from stream.decisions.calendar import began_at, zone_of
from stream.decisions.experiments import POLICY as _POLICY
from stream.decisions.limits import is_used_up_before
from stream.decisions.quiet import ends_at
from stream.rules.model import WHOLE as _WHOLE

cdef int64_t END = _END
cdef str POLICY = _POLICY
cdef int WHOLE = _WHOLE
cdef object ON = -1         # in place of the time until which a rule is off
cdef Py_ssize_t MAX_TEXT = _MAX_TEXT
cdef enum:
    REMEMBERED = 4096               # minutes of some quiet hours, or of a period
    OPEN = 0                        # why a channel is closed
    SUPPRESSED = 1
    SILENCED = 2
    UNCONSENTED = 3
    UNREACHABLE = 4
    FULL = 5
    MINUTE = 60_000                 # ms
cdef int64_t BY_MINUTE = 946_684_800_000    # ms: since 2000 clocks are put forward and back at full minutes


@cython.no_gc
@cython.final
@cython.freelist(8)
cdef class Verdict:
    @property
    def channel(self):
        return self.way.channel


cdef Verdict _verdict(str outcome, str reason, Way way):
    cdef Verdict verdict = Verdict.__new__(Verdict)
    verdict.outcome, verdict.reason, verdict.way = outcome, reason, way
    verdict.until, verdict.held_out_by = -1, ()
    return verdict


cdef Verdict judge(Match match, Sending sending, arms):
    """Asks the guards in their order."""
    cdef list ways = sending.ways if len(sending.ways) == 1 else _by_preference(match, sending)
    cdef Way first = ways[0], chosen
    cdef Verdict verdict
    cdef int closed = OPEN
    cdef bint suppressed
    cdef str silenced_by
    cdef tuple by
    if match.closed_by is not None:
        return _verdict("suppressed", "unless", first)
    if match.shared.off and match.at < <int64_t> match.shared.off.get(sending.name, ON):
        return _verdict("suppressed", "disabled", first)
    if sending.rollout < WHOLE and not _is_rolled_out(match, sending, arms):
        return _verdict("suppressed", "rollout", first)
    if match.cause.late:
        return _verdict("suppressed", "stale", first)
    if sending.limit is not None and _is_used_up(match, sending, sending.limit):
        return _verdict("suppressed", "limit", first)
    suppressed = sending.heeds_policy and match.is_suppressed()
    silenced_by = _silenced_by(match, sending) if sending.silencers else None
    # The cap comes after quiet and group: it decides between channels, and is the reason only at the end.
    chosen = _choose(match, sending, ways, suppressed, silenced_by is not None, &closed)
    if closed == SUPPRESSED:
        return _verdict("suppressed", "suppressed", first)
    if closed == SILENCED:
        verdict = _verdict("suppressed", "silenced", first)
        verdict.silenced_by = silenced_by
        return verdict
    if closed == UNCONSENTED:
        return _verdict("suppressed", "consent", first)
    if closed == UNREACHABLE:
        return _verdict("suppressed", "address", first)
    if chosen.is_ever_quiet:
        verdict = _quiet(match, sending, chosen)
        if verdict is not None:
            return verdict
    if match.is_claimed():
        return _verdict("suppressed", "group", chosen)
    if closed == FULL:
        return _verdict("suppressed", "cap", chosen)
    if sending.policy_holdout or sending.holdout:
        by = _held_out_by(match, sending, arms)
        if by:
            verdict = _verdict("holdout", "holdout", chosen)
            verdict.held_out_by = by
            return verdict
    return _verdict("sent", None, chosen)


cdef Verdict repeat(Match match, Sending sending, prior, arms):
    """The verdict that was given before a crash, though its effects were lost: what was said stays said."""
    cdef Way way = sending.ways[0]
    cdef Way each
    cdef Verdict verdict
    for each in reversed(sending.ways):
        if each.name == prior.channel:
            way = each
    if prior.outcome != "deferred":
        verdict = _verdict(prior.outcome, prior.reason, way)
        if prior.outcome == "holdout":
            verdict.held_out_by = _held_out_by(match, sending, arms)
        elif prior.reason == "silenced":
            verdict.silenced_by = _silenced_by(match, sending)
        return verdict
    verdict = _quiet(match, sending, way) if way.is_ever_quiet else None
    return _verdict("suppressed", "quiet", way) if verdict is None else verdict


cdef tuple _held_out_by(Match match, Sending sending, arms):
    """The control groups that a customer is in: of both, lift is told apart by each."""
    cdef bint policy = _is_drawn(match.customer_id, POLICY, sending.policy_holdout, arms)
    cdef bint rule = _is_drawn(match.customer_id, sending.salt, sending.holdout, arms)
    if policy:
        return ("policy", "rule") if rule else ("policy",)
    return ("rule",) if rule else ()


cdef bint _is_drawn(str customer, str salt, int share, arms) except -1:
    if share == 0:
        return False
    return is_held_out(customer, salt, share) if arms is None else arms.is_held_out(customer, salt, share)


cdef bint _is_rolled_out(Match match, Sending sending, arms) except -1:
    if arms is None:
        return is_rolled_out(match.customer_id, sending.rollout_salt, sending.rollout)
    return arms.is_rolled_out(match.customer_id, sending.rollout_salt, sending.rollout)


cdef list _by_preference(Match match, Sending sending):
    cdef Way way
    preferred = match.attributes.get("preferred_channel")
    if type(preferred) is not str:
        return sending.ways
    return [way for way in sending.ways if way.name == preferred] + [
        way for way in sending.ways if way.name != preferred
    ]


cdef Way _choose(
    Match match, Sending sending, list ways, bint suppressed, bint silenced, int *closed
):
    """The first channel that nothing keeps closed; else the first one whose cap does; else the first one."""
    cdef Way way, full = None
    cdef int first = OPEN
    for way in ways:
        closed[0] = _refusal(match, sending, way, suppressed, silenced)
        if closed[0] == OPEN:
            return way
        first = first or closed[0]
        if closed[0] == FULL and full is None:
            full = way
    if full is not None:
        closed[0] = FULL
        return full
    closed[0] = first
    return ways[0]


cdef int _refusal(Match match, Sending sending, Way way, bint suppressed, bint silenced) except -1:
    """Why a channel is closed. `suppressed`: by the policy; `silenced`: what needs consent is."""
    if suppressed and way.heeds_policy:
        return SUPPRESSED
    if way.suppress is not None and match.is_suppressed_on(way.channel, way.suppress):
        return SUPPRESSED
    if silenced and way.heeds_silence:
        return SILENCED
    if way.consent is not None and not _consents_to(match, way.consent):
        return UNCONSENTED
    for subject in sending.sensitive:
        if not _consents_to(match, subject.consent):
            return UNCONSENTED
    if way.address is not None and not _is_reachable(match, way):
        return UNREACHABLE
    if way.cap is not None and _is_used_up(match, sending, way.cap):
        return FULL
    return FULL if way.overall is not None and _is_used_up(match, sending, way.overall) else OPEN


cdef bint _consents_to(Match match, str purpose) except -1:
    """Whether a consent for a purpose had been given by then, and has not expired."""
    cdef dict consents = match.customer.rare.consents
    cdef Consent consent = None if consents is None else consents.get(purpose)
    if consent is None or not consent.granted or consent.at > match.at:
        return False
    return consent.expires is None or match.at < <int64_t> consent.expires


cdef bint _is_reachable(Match match, Way way) except -1:
    address = match.address_at(way.address)
    if way.is_text and type(address) is str and len(<str> address) <= MAX_TEXT:
        if address != "" and (<str> address).isprintable() and not (<str> address).isspace():
            return True
    return is_address(address, way.channel.address_kind)


cdef Verdict _quiet(Match match, Sending sending, Way way):
    """Put off to the end of the quiet hours; refused where that is never, or too late, or too many wait."""
    cdef Verdict verdict
    cdef object until = None
    where = _where(match, sending)
    if where is not None:
        until = _by_minute(way.ends, ends_at, way.channel.quiet, where, match.at)
        if until is None:
            return None
    if until is None or <int64_t> until > match.since + sending.patience or not match.may_wait:
        return _verdict("suppressed", "quiet", way)
    verdict = _verdict("deferred", "quiet", way)
    verdict.until = until
    return verdict


cdef object _by_minute(dict known, answer, of, where, int64_t at):
    """`answer(of, where, at)`, which is the same for all times of a minute; `known`: those of `of`."""
    if at < BY_MINUTE:
        return answer(of, where, at)
    key = where, at // MINUTE
    if key not in known:
        if len(known) >= REMEMBERED:
            known.clear()
        known[key] = answer(of, where, at)
    return known[key]


cdef object _where(Match match, Sending sending):
    """The zone by whose clocks the customer is judged; None where it is not known, or its calendar ends."""
    return zone_of(match.attributes, sending.policy) if match.at < END else None


cdef str _silenced_by(Match match, Sending sending):
    """The first rule, as they are judged, that silences this one; None: none does.

    What was sent before a crash and is not decided again counts where it is not later than the match: nothing
    that this rule sends uses up a silence, so none can be in the way of a later one.
    """
    cdef Uses uses
    for name, each in sending.silencers:
        uses = each
        if match.customer.used_up(uses.slot, 1, match.at - uses.over):
            return name
        for at in match.prior_sends(uses.counter):
            if match.at - uses.over < <int64_t> at <= match.at:
                return name
    return None


cdef bint _is_used_up(Match match, Sending sending, Uses uses) except -1:
    """Whether a limit or cap has no room left."""
    where = None if uses.over >= 0 else _where(match, sending)
    if match.shared.prior_sends:
        prior = match.prior_sends(uses.counter)
        if prior:
            return is_used_up_before(uses.limit, match.customer.sends(uses.slot), prior, match.at, where)
    if uses.over >= 0:
        return match.customer.used_up(uses.slot, uses.count, match.at - uses.over)
    if where is None:
        return True
    began = _by_minute(uses.began, began_at, uses.limit.over, where, match.at)
    return match.customer.used_up(uses.slot, uses.count, <int64_t> began - 1)


def verdict_on(Match match not None, arms=None):
    """What the guards say of a match; for tests and tools."""
    return judge(match, sending_of(match.plan(), match.shared.program), arms)
