"""What decisions need of a rule, made once: channels, limits and what is the same in all records.

It is made when a rule fires first, and lies with its plan from then on, for all partitions. What depends
on a time and a zone (the end of quiet hours, the beginning of a calendar's day) is kept by the minute, as no
clock has been put forward or back within one since 2000: live, the matches of a minute share it. All rules
share it, too: if each kept its own, a thousand would come to a gigabyte.
Tested by tests/decisions/test_guards.py and tests/decisions/test_twins.py.
"""

cimport cython

from stream.decisions._messages cimport Message
from stream.decisions._wire cimport words_of
from stream.matcher._program cimport Program, RulePlan

from functools import lru_cache

from stream.decisions.limits import counters, silence
from stream.decisions.wire import source_of_triggers

MAX_DEFERRAL = 24 * 3_600_000   # ms; what could not go out by then never goes, if its rule says nothing


@lru_cache(maxsize=256)
def _remembered(of):
    """What was worked out before for these quiet hours, or this period of the calendar."""
    return {}


@cython.final
cdef class Uses:
    def __cinit__(self, limit, str counter, Program program):
        self.limit, self.counter = limit, counter
        self.slot, self.count = program.counters[counter], limit.count
        self.over = limit.over if isinstance(limit.over, int) else -1
        self.began = _remembered(limit.over)


@cython.final
cdef class Way:
    def __cinit__(self, RulePlan plan, channel, policy, Program program):
        cdef Uses uses
        rule = plan.definition
        exempt = {*rule.exempt, *channel.exempt}
        self.channel, self.address = channel, channel.address
        self.name, self.topic, self.consent = channel.name, channel.topic, channel.consent
        self.is_text = channel.address_kind == "text"
        self.used = [Uses(limit, counter, program) for counter, limit in counters(rule, channel, policy)]
        for uses in self.used:
            if "cap" in exempt:
                continue        # it uses them up all the same: the customer did get a message
            if uses.counter == "policy":
                self.overall = uses
            elif uses.counter.startswith("channel:"):
                self.cap = uses
        self.ends = _remembered(channel.quiet)
        self.is_ever_quiet = channel.quiet is not None and "quiet" not in exempt
        self.heeds_policy = "suppress" not in exempt
        self.heeds_silence = channel.consent is not None and "silence" not in exempt
        self.suppress = program.channel_suppress.get(channel.name) if self.heeds_policy else None
        self.messages = {each.name: Message(each, channel, plan.read) for each in rule.variants}
        if not rule.variants:
            self.messages[None] = Message(rule, channel, plan.read)


@cython.final
cdef class Sending:
    def __cinit__(self, RulePlan plan, Program program):
        rule, policy = plan.definition, program.rules.policy
        self.rule, self.policy = rule, policy
        self.name, self.stable_id, self.priority = rule.name, rule.stable_id, rule.priority
        self.variants, self.sensitive, self.goals = rule.variants, rule.sensitive, rule.goals
        self.ways = [Way(plan, channel, policy, program) for channel in rule.channels]
        if rule.limit is not None:
            self.limit = Uses(rule.limit, f"rule:{rule.name}", program)
        self.heeds_policy = any([(<Way> way).heeds_policy for way in self.ways])
        # Few, whatever the number of rules: this is made at a rule's first match.
        silencing = program.silencing if any([(<Way> way).heeds_silence for way in self.ways]) else ()
        self.silencers = [
            (other.name, Uses(limit, counter, program))
            for other in silencing
            if other.name != rule.name
            for counter, limit in (silence(other),)
        ]
        self.policy_holdout, self.holdout, self.salt = policy.holdout, rule.holdout, f"rule:{rule.name}"
        self.rollout, self.rollout_salt = rule.rollout, f"rollout:{rule.name}"
        self.is_shadow = rule.mode == "shadow"
        self.patience = MAX_DEFERRAL
        if rule.quiet == "drop":
            self.patience = 0
        elif isinstance(rule.quiet, int):
            self.patience = rule.quiet
        self.words = words_of(rule.name, rule.goals, rule.priority)
        self.source = source_of_triggers(rule.name)


cdef Sending sending_of(RulePlan plan, Program program):
    if plan.sending is None:
        plan.sending = Sending(plan, program)
    return <Sending> plan.sending
