"""The times of a test: how long after its start, or a date and time.

One without a zone is where the customer is: by the attribute `timezone` that the test gives them, else by the
policy's, else UTC. What clocks there skip, or show twice, is refused. Tested by tests/rules/test_compiler.py
and tests/authoring/rule_tests/test_plays.py.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from stream.clock import LATEST, iana_zone, time_zone
from stream.diagnostics import Code
from stream.rules import forms
from stream.rules.compiler import values
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.definition import Definition
from stream.rules.durations import MAX_MS, parse_duration
from stream.rules.files import Entry, Scalar
from stream.rules.testcases import DEFAULT_START, TestCustomer

_DATE = re.compile(forms.DATE)
_LOOKS_LIKE_A_DATE = re.compile("[0-9]{4}-")
_DAY_AND_TIME = re.compile(forms.DAY_AND_TIME)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Moments:
    """The times of one test, in ms after its `start`, which is in ms since 1970."""

    def __init__(self, run: Compilation, read: Definition, customer: TestCustomer) -> None:
        self.zone = _zone_of(customer, run.files.policy.get("timezone"))
        self.dated = False  # whether one of them was a date
        self.start = DEFAULT_START
        if "start" in read.entries:
            hint = self._hint(read.entries["start"]) or "write e.g. 2026-03-02T10:00:00Z or 2026-03-02T10:00"
            self.start = read.parsed(Code.NO_TIME, "start", self._date, "a time", hint) or 0

    def read(self, read: Definition, key: str) -> int | None:
        entry = read.entries.get(key)
        written = entry.value.written if entry is not None and isinstance(entry.value, Scalar) else ""
        if _DAY_AND_TIME.fullmatch(written):
            return read.parsed(Code.NO_TIME, key, self._on_weekday, "a time of the test", _HINT)
        if not _LOOKS_LIKE_A_DATE.match(written):
            hint, what = values.duration_hint(entry, _HINT), "a duration or a date"
            return read.parsed(Code.NO_DURATION, key, self._duration, what, hint)
        hint = self._hint(entry) or (_HINT if _parsed(written) is None else _OTHER_START)
        return read.parsed(Code.NO_TIME, key, self._after_start, "a time of the test", hint)

    def read_late(self, read: Definition, at: int) -> int | None:
        """How long after its time, `at`, an event is processed."""
        hint = values.duration_hint(read.entries.get("late"))
        return read.parsed(
            Code.NO_DURATION, "late", lambda text: self._duration(text, at), "a duration", hint
        )

    def _duration(self, written: str, since: int = 0) -> int:
        ms = parse_duration(written)
        if self.start + since + ms > LATEST:
            raise ValueError("later than the year 9999")
        return ms

    def _on_weekday(self, written: str) -> int:
        """`monday 09:00`: the first one from the start on, where the customer is."""
        name, clock = written.split()
        start = (_EPOCH + self.start * _MILLISECOND).astimezone(self.zone)
        day = start.date() + timedelta(days=(forms.WEEKDAYS.index(name) - start.weekday()) % 7)
        for each in (day, day + timedelta(days=7)):
            after = self._date(f"{each.isoformat()}T{clock}") - self.start
            if after >= 0:
                break
        self.dated = True
        return after

    def _after_start(self, written: str) -> int:
        if not _DATE.fullmatch(written):
            raise ValueError("not one")
        after = self._date(written) - self.start
        self.dated = True
        if after < 0:
            start = (_EPOCH + self.start * _MILLISECOND).astimezone(self.zone)
            raise ValueError(f"before its start, {start.isoformat(timespec='minutes')}")
        if after > MAX_MS:
            raise ValueError("more than a hundred years after its start")
        return after

    def _date(self, written: str) -> int:
        """Milliseconds since 1970. Raises ValueError, for users."""
        said = _parsed(written)
        if said is None:
            raise ValueError("not a time")
        if said.tzinfo is None:
            said = said.replace(tzinfo=self.zone)
            readings = _readings(said)
            if len(readings) != 1:
                raise ValueError(f"{'not' if not readings else 'twice'} on the clocks of {self.zone}")
        try:
            ms = (said - _EPOCH) // _MILLISECOND
        except OverflowError:
            ms = -1
        if not 0 <= ms <= LATEST:
            raise ValueError("not within 1970 to 9999")
        return ms

    def _hint(self, entry: Entry | None) -> str | None:
        """What to write in place of a time that the clocks skip, or show twice."""
        said = _parsed(entry.value.written) if entry is not None and isinstance(entry.value, Scalar) else None
        if said is None or said.tzinfo is not None:
            return None
        readings = _readings(said.replace(tzinfo=self.zone))
        if len(readings) == 2:
            return f"say which: {' or '.join(each.isoformat(timespec='minutes') for each in readings)}"
        if not readings:
            later = said.replace(tzinfo=self.zone).astimezone(UTC).astimezone(self.zone)
            return (
                f"they are put forward then: write {later.replace(tzinfo=None).isoformat(timespec='minutes')}"
            )
        return None


_HINT = "write e.g. 30m, 1h30m, 2026-03-09 or 2026-03-09T09:00"
_OTHER_START = "give the test another `start`"


def _zone_of(customer: TestCustomer, policy: Entry | None) -> tzinfo:
    own = time_zone(customer.attributes.get("timezone"))
    known = policy.value.value if policy is not None and isinstance(policy.value, Scalar) else None
    return own or (iana_zone(known) if isinstance(known, str) else None) or UTC


def _parsed(written: str) -> datetime | None:
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def _readings(local: datetime) -> list[datetime]:
    """The moments at which the clocks of a zone show a time: none where they skip it, two where they are put
    back.
    """
    found: dict[datetime, datetime] = {}
    for fold in (0, 1):
        reading = local.replace(fold=fold)
        try:
            moment = reading.astimezone(UTC)
            shown = moment.astimezone(local.tzinfo).replace(tzinfo=None)
        except OverflowError:  # in the year 1, or 9999
            return [local]
        if shown == local.replace(tzinfo=None):
            found.setdefault(moment, reading)
    return list(found.values())
