"""What a check finds: each finding has a code, a place, a message and mostly a likely fix.

Codes are stable: `E…` refuses the rule set, `W…` does not. A code never changes its meaning and is never used
again for another. Each has its part of docs/diagnostics.md, which a test compares with this table:
tests/authoring/test_check.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

MOST_SHOWN = 200  # findings; nobody reads on, and a terminal or a log has to take them


class Code(StrEnum):
    """What kind of finding it is; `words` says it."""

    # files and YAML
    NO_RULE_FILES = "E001"
    FILE_NOT_READABLE = "E002"
    FILE_TOO_LARGE = "E003"
    NOT_UTF_8 = "E004"
    NOT_YAML = "E005"
    SECOND_DOCUMENT = "E006"
    YAML_TAG = "E007"
    KEY_TWICE = "E008"
    WRONG_ALIAS = "E009"
    KEY_IS_NO_WORD = "E010"
    YAML_1_1 = "E011"
    # the form of definitions
    UNKNOWN_KEY = "E101"
    MISSING_KEY = "E103"
    WRONG_TYPE = "E104"
    DEFINED_TWICE = "E105"
    WRONG_NAME = "E106"
    UNKNOWN_NAME = "E107"
    NO_DURATION = "E108"
    NO_RATE = "E109"
    NO_FIELD_PATH = "E110"
    NO_TOPIC_NAME = "E111"
    NO_WHOLE_NUMBER = "E112"
    WRONG_EVENT_NAMES = "E113"
    NO_SHARE = "E114"
    NO_HOURS = "E115"
    UNKNOWN_TIME_ZONE = "E116"
    WRONG_LIST = "E117"
    NO_TIME = "E118"
    UNKNOWN_LOCALE = "E119"
    # how definitions fit together
    TOPIC_OF_TWO_SOURCES = "E201"
    CHANNEL_FEEDS_SOURCE = "E202"
    NO_SOURCE = "E203"
    NOT_FOR_THIS_FUNCTION = "E204"
    WRONG_ADDRESS = "E205"
    ONE_OR_THE_OTHER = "E206"
    KEY_OUT_OF_PLACE = "E207"
    WRONG_SHARES = "E208"
    WRONG_KEY = "E209"
    EVENT_NOT_IN_PLAN = "E210"
    FIELD_NOT_IN_PLAN = "E211"
    ATTRIBUTE_NOT_IN_PLAN = "E212"
    PURPOSE_NOT_IN_PLAN = "E213"
    NOT_AS_PLANNED = "E214"
    TOPIC_IS_OWN = "E220"
    # conditions
    NO_CONDITION = "E301"
    CONDITION_SYNTAX = "E302"
    CONDITION_NOT_SUPPORTED = "E303"
    UNKNOWN_VARIABLE = "E304"
    UNKNOWN_TRAIT = "E305"
    CONDITION_TYPES = "E306"
    UNKNOWN_SEGMENT = "E307"
    SEGMENTS_IN_A_CIRCLE = "E308"
    UNKNOWN_CONTEXT = "E309"
    # content
    NO_TEXT = "E401"
    TEMPLATE_SYNTAX = "E402"
    TEMPLATE_NOT_SUPPORTED = "E403"
    TEMPLATE_TRAIT = "E404"
    TOO_MUCH_CONTENT = "E405"
    WRONG_FORMAT = "E406"
    # what is nobody's business
    SENSITIVE_NOT_SAID = "E601"
    DISCLOSURE_NOT_SAID = "E602"
    # what is allowed, and probably not meant
    NO_LIMIT = "W501"
    SAME_RULE = "W502"
    EVENT_OF_NO_SOURCE = "W503"
    SETTLED_CONDITION = "W504"
    NO_GOAL = "W505"
    NEVER_REACHED = "W506"
    NO_CONSENT_EVER = "W507"
    UNKNOWN_FIELD = "W508"
    NO_TIME_ZONE = "W509"
    NEVER_USED = "W510"
    WAITS_DIFFER = "W511"
    MISSPELT_EVENT = "W512"
    MISSPELT_ATTRIBUTE = "W513"
    MISSPELT_PURPOSE = "W514"
    VALUE_NOT_IN_PLAN = "W515"
    ODD_COMPARISON = "W516"
    COMMENT_IN_THE_WAY = "W517"
    NOT_AS_TESTED = "W518"
    NOTHING_ALLOWED = "W520"
    TIMES_OUT_OF_ORDER = "W521"
    ENDS_WHILE_WAITING = "W522"
    TAGS_IN_TEXT = "W401"
    OTHER_PLACEHOLDER = "W402"
    UNWRITTEN = "W403"
    UNROUNDED = "W404"
    SENSITIVE_NOT_READ = "W601"
    NOTHING_DISCLOSED = "W602"

    @property
    def words(self) -> str:
        words = self.name.lower().replace("_", " ")
        return words.replace("yaml", "YAML").replace("1 1", "1.1").replace("utf 8", "UTF-8")

    @property
    def severity(self) -> str:
        """`error` or `warning`."""
        return "error" if self.value.startswith("E") else "warning"


class Location(NamedTuple):
    """A place in a file; `line` and `column` count from 1, 0 where unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of a check, printed as `file:line:col: error: message (hint) [CODE]`, on one line."""

    code: Code
    location: Location
    message: str
    hint: str | None = None

    @property
    def severity(self) -> str:
        """`error` or `warning`."""
        return self.code.severity

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return one_line(f"{self.location}: {self.severity}: {self.message}{hint} [{self.code}]")


def some(count: int, one: str, many: str | None = None) -> str:
    """`1 message`, `2 messages`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def one_line(text: str) -> str:
    """The text without what would move a terminal's cursor: names in rule files can hold escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def most_urgent(diagnostics: Sequence[Diagnostic]) -> tuple[list[Diagnostic], int]:
    """What is shown of findings in file order, errors before warnings where it is not all; and how many more
    there are.
    """
    chosen = sorted(diagnostics, key=lambda each: each.severity)[:MOST_SHOWN]
    return in_file_order(chosen), len(diagnostics) - len(chosen)


def in_file_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Each finding once, by place, then by what it says."""
    once = dict.fromkeys(diagnostics)
    return sorted(once, key=lambda each: (each.location, each.message, each.hint or ""))
