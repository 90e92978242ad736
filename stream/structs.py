"""Frozen shapes that pass between the layers. Times are milliseconds since the epoch, UTC.

What is made for every decision is a named tuple: those are made in a quarter of a frozen dataclass' time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]

# Outcomes and reasons, each in this one place. Metrics declare their series from here;
# tests/project/test_reasons.py holds code and documents to these lists.
Outcome = Literal["sent", "suppressed", "deferred", "holdout", "shadow"]

# Why a match is suppressed: its `unless`, seen while quiet hours put it off; the guards in their order;
# `content`, a text that could not be rendered; `size`, a message larger than the channel's topic takes.
SuppressionReason = Literal[
    "unless",
    "disabled",
    "rollout",
    "stale",
    "limit",
    "suppressed",
    "silenced",
    "consent",
    "address",
    "quiet",
    "group",
    "cap",
    "content",
    "size",
]
DecisionReason = Literal[SuppressionReason, "holdout"]
Holdout = Literal["policy", "rule"]  # whose control group a customer is in

# Why a record is not an event: not a JSON object; no customer; no event name; no time; too large; attributes
# or consents that cannot be taken (what it takes back of a consent counts all the same, whatever the reason);
# too much to be kept of a customer.
# What was not read as a record at all: too large, damaged, left out because an operator says so, or our own.
UnreadReason = Literal["size", "unreadable", "skipped", "own"]
DeadLetterReason = Literal[
    "json", "customer", "event", "time", "size", "profile", "context", "unreadable", "skipped", "own"
]

# What was odd with events that were applied all the same:
#   condition        a condition of a rule ended in an error, and did not hold
#   future_time      the event's time was too far ahead, and the record's was taken
#   evicted          as much is kept of the customer as may be, in a trait, of an event or as a whole: the
#                    oldest made room, of an event the largest fields
#   instances        a customer had as many open instances of a rule as there may be: the oldest was closed
#   ids              a customer had 128 ids of a source with `dedupe` that still counted: the oldest made room
#   too_deep         nested too deep to be kept until quiet hours end: its fields are empty then
#   timezone         a customer's time zone cannot be read: their quiet hours count as on
#   date             an attribute by which a rule's clock goes says no date: the clock stands still
#   unknown_consent  nobody can say what a profile update means of a purpose: it counts as withdrawn
#   unknown_source   of a source that the rules do not have; the records were left where they are
EventErrorReason = Literal[
    "condition",
    "future_time",
    "evicted",
    "instances",
    "ids",
    "too_deep",
    "timezone",
    "date",
    "unknown_consent",
    "unknown_source",
]


# Why a condition ended in an error:
#   missing  something that it asks for is not there, or is null
#   value    what is there does not fit: a text where a number is compared or taken; a division by zero
#   cost     the conditions of one event would take too long
ConditionErrorReason = Literal["missing", "value", "cost"]


class Record(Protocol):
    """What the engine reads of a Kafka record (aiokafka's ConsumerRecord fits)."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


UNREAD_HEAD = 1024  # bytes that are kept of what is not read


@dataclass(frozen=True, slots=True)
class Unread:
    """In place of a record, or of several up to `offset`, from `first` on, that were not read.

    To whoever takes it for a record it has a value that means nothing: neither JSON nor a tombstone. `head`:
    the first bytes of what is there, `size` of them in all.
    """

    offset: int
    timestamp: int
    reason: UnreadReason
    first: int
    key: bytes | None = None
    head: bytes = b""
    size: int = 0
    headers: Headers = ()
    value: bytes = b"\0"


@dataclass(frozen=True, slots=True)
class Batch:
    """New records of one partition number, and how far each source has been read.

    `records` maps a source's name to its records, in offset order; sources without new ones may be left out.
    `ended` names the sources that have been read to the end of their topic, these records included.
    A source that is not in `ended` and has nothing at hand is waited for. A batch without records is a tick
    of the clock: it fires the timers that are due.
    """

    partition: int
    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()


MAX_EVENT_ID = 256


def short_id(event_id: str) -> str:
    """An event's id; of one with more than 256 characters a hash."""
    if len(event_id) <= MAX_EVENT_ID:
        return event_id
    return f"blake2b:{blake2b(event_id.encode(), digest_size=16).hexdigest()}"


class EventRef(NamedTuple):
    """The event that caused something: name, id and time.

    Where a clock did, there is no name; the id is the day (ISO 8601), the time when it was due.
    """

    name: str
    id: str
    time: int


class Unwritten(NamedTuple):
    """What of a message could not be written: a field of its content, and the variable of its template that
    is not there, or is an object, or the filter that could not take what it was given, as
    `event.price | times`; both None where it failed for something else. All are words of the rule file.
    """

    field: str
    variable: str | None = None
    filter: str | None = None


class Decision(NamedTuple):
    """What became of a match. `trigger_id` is deterministic: same rule definition, customer and cause.

    `reason` is None when sent, and of a `shadow` when it would have been. `at` is the stream time of the
    judgement: the event's, or the deadline's.
    `timed` says that a timer fired it (such matches stay out of the latency histogram). `source` and `offset`
    are of the record that caused it; the offset is -1 where a timer fired, the source "" where a clock began
    the rule. `held_out_by`: the control groups
    that the customer is in, if that guard was reached. `goals` are the rule's, each a `model.Goal`.
    `unwritten`: with reason `content`, why. `silenced_by`: with reason `silenced`, the rule that silences.
    """

    trigger_id: str
    rule: str
    customer_id: str
    outcome: Outcome
    reason: DecisionReason | None
    channel: str | None
    variant: str | None
    event: EventRef
    at: int
    timed: bool = False
    source: str = ""
    offset: int = -1
    held_out_by: tuple[Holdout, ...] = ()
    goals: tuple[Any, ...] = ()
    unwritten: Unwritten | None = None
    silenced_by: str | None = None


PUT_OFF = -1  # in place of a time: whenever that was, before the message went


class PriorDecision(NamedTuple):
    """What was decided of a match before a crash, and is in Kafka though not in the state. It stays so."""

    outcome: Outcome
    reason: DecisionReason | None
    channel: str


class ConsentProof(NamedTuple):
    """The consent that a message was sent on. Times in ms; `expires_at` None: it does not."""

    purpose: str
    granted_at: int
    basis: str | None = None
    expires_at: int | None = None


class SubjectProof(NamedTuple):
    """The consent on which a message about a sensitive subject was sent, besides the channel's."""

    subject: str
    consent: ConsentProof


class Trigger(NamedTuple):
    """A message for a channel, with the decision that let it through. `topic` is the channel's."""

    decision: Decision
    topic: str
    address: Any
    content: Mapping[str, Any]
    priority: int
    appended_at: int  # the causing record's timestamp in Kafka, for the latency histogram
    consent: ConsentProof | None = None
    sensitive: tuple[SubjectProof, ...] = ()


class Switches(NamedTuple):
    """Which rules are off, by name, until when (ms; LATEST: until they are enabled), as of a position of the
    topic of switches, whose id Kafka made.
    """

    topic_id: str = ""
    position: int = 0
    off: Mapping[str, int] = MappingProxyType({})

    def is_newer(self, than: Switches) -> bool:
        """Of a topic that was made anew everything is."""
        return self.topic_id != than.topic_id or self.position > than.position


class Seen(NamedTuple):
    """What a condition read: its path, and the value as JSON or so; None where it was not there."""

    path: str
    value: str | None


class Term(NamedTuple):
    """A part of a condition, as a person writes it, what it came to, and by what it saw.

    `parts`: what it joins by `||`, `&&` or `!`, or the conjuncts of the segments that it asks for.
    """

    text: str
    outcome: Literal["true", "false", "error"]
    seen: tuple[Seen, ...] = ()
    parts: tuple[Term, ...] = ()


class OpenInstance(NamedTuple):
    """A rule that a customer has begun: `done` of its `steps`, all of them where it only waits for its time.

    `key`: of what it is, if the rule tells its instances apart. `deadline`: in ms, when it is judged, or ends
    where a step does not come; None: it waits without end. `put_off`: quiet hours did that.
    """

    rule: str
    done: int
    steps: int
    key: str | int | float | bool | None
    deadline: int | None
    put_off: bool


class Judgement(NamedTuple):
    """What a condition of a rule came to for a customer, when the engine is asked why.

    `part`: `where` (of the first step), `step 2` and so on, `unless`, or `if`. Of no rule, whose name is then
    empty: `trait NAME` (its `where`), `segment NAME`, `suppress`, or `dedupe SOURCE`, of an event that was
    left out, with its id as the only term. `event`: the name of the event that was at hand, or of the last
    step's where a timer fired. `at`: as of when it was judged, in ms.
    """

    rule: str
    part: str
    event: str
    at: int
    held: bool
    terms: tuple[Term, ...]

    @property
    def left_out_of(self) -> str | None:
        """The source of an event that was left out."""
        kind, _, source = self.part.partition(" ")
        return source if kind == "dedupe" and not self.rule else None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that is not an event. It goes to the dead letters as it came. `detail`: more of the reason."""

    source: str
    reason: DeadLetterReason
    record: Record
    detail: str = ""


# Of a batch in Kafka: what a topic takes by default. At most: what stands before its records, what a record
# has beside key, value and headers, a header beside name and value.
MOST_BYTES = 1_048_588
MAX_REQUEST_BYTES = 20 * 1024 * 1024  # a dead letter may be as large as the broker allows
BATCH_BYTES, RECORD_BYTES, HEADER_BYTES = 61, 40, 10


class OwnTopics(NamedTuple):
    """An app, and the names of the topics that it writes beside its channels'.

    Apps share `decisions` and `dead_letters` unless settings name others. An `app_id` that is empty is not
    known, as where rule files are checked for nobody in particular.
    """

    app_id: str = ""
    decisions: str = "decisions"
    dead_letters: str = "dead-letters"

    @property
    def changelog(self) -> str:
        """What is known of the customers."""
        return f"{self.app_id}-customers-changelog"

    @property
    def rules(self) -> str:
        """The definitions of each revision."""
        return f"{self.app_id}-rules"

    @property
    def switches(self) -> str:
        """Which rules are off."""
        return f"{self.app_id}-switches"

    def has(self, topic: str) -> bool:
        """Whether a topic is the program's, or Kafka's, so that no rule file can read it or write to it."""
        if topic.startswith("__") or topic in {*self[1:], *OwnTopics()[1:]}:
            return True
        named = topic.endswith("-changelog") or topic in (self.rules, self.switches)
        ours = topic.startswith(f"{self.app_id}-") and named
        return bool(self.app_id) and ours


class Target(NamedTuple):
    """Where a record is sent: a topic, and of it the partition of its sender's number unless it names one."""

    topic: str
    partition: int | None = None


class WireRecord(NamedTuple):
    """What is sent to Kafka, as an object; on its way it is bytes (`kafka._packed`)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None

    @property
    def size(self) -> int:
        """Bytes, at most, of a batch that has nothing but it."""
        headers = sum(HEADER_BYTES + len(name.encode()) + len(value or b"") for name, value in self.headers)
        return BATCH_BYTES + RECORD_BYTES + len(self.key or b"") + len(self.value or b"") + headers


@dataclass(slots=True)
class Result:
    """What one call of `engine.process` did.

    `decisions` has every match judged, in order; `triggers` those that were sent, in the same order;
    `shadows` what rules in shadow mode would have sent.
    `positions`: per source, the next offset that is not applied yet (only sources that moved).
    `events`: per source, how many events were applied; `repeats`: read again and left out. `left_out`: per
    source with `dedupe`, events whose id the customer had had. `misplaced`: per source, of the records that
    were compared with the partition of their customer, those that belong to another.
    `errors`: counts by (source, reason) of what was odd with events.
    `condition_errors`: of its reason `condition`, by (definition, part, reason, paths), such as
    `cart-abandoned`, `if`, `missing`, `customer.age`: the first that is not there, or what was read amiss;
    empty where that is not known. Or `traits.spend`, `field`, `value`: what a trait could not take (also its
    `per`, or a rule's `key`). One condition that several definitions have is an error of each.
    `first_failures`: where the first of each was, by source, offset (-1: a timer fired) and time.
    `content_errors`: texts that could not be rendered, by (rule, field, why).
    `more`: events are still at hand and could be applied by another call with an empty batch.
    `work`: what it cost, see `_fastmatch.MAX_WORK`.
    `watermark` and `next_deadline`: the partition's, None where there is none.
    """

    decisions: list[Decision] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    shadows: list[Trigger] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    repeats: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    misplaced: dict[str, int] = field(default_factory=dict)
    errors: dict[tuple[str, EventErrorReason], int] = field(default_factory=dict)
    condition_errors: dict[tuple[str, str, ConditionErrorReason, str], int] = field(default_factory=dict)
    first_failures: dict[tuple[str, str, ConditionErrorReason, str], tuple[str, int, int]] = field(
        default_factory=dict
    )
    content_errors: dict[tuple[str, str, str], int] = field(default_factory=dict)
    more: bool = False
    work: int = 0
    watermark: int | None = None
    next_deadline: int | None = None
