"""The exceptions of the project: one small tree, each with a place and a likely fix where there is one.

No error text carries personal data: places and names of definitions, never values of events.
"""

from __future__ import annotations

from stream.diagnostics import Code, Diagnostic, in_file_order, most_urgent


class StreamError(Exception):
    """Base of every error that this project raises on purpose.

    `hint` says what probably mends it. `exit_code` is what a command ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class SettingsError(StreamError):
    """A setting is unknown, missing or has a value that cannot be used."""

    exit_code = 2


class RuleFileError(StreamError):
    """The rule files have errors: all of them, in `diagnostics`, in file order; the text has the first."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = in_file_order(diagnostics)
        shown, more = most_urgent(self.diagnostics)
        lines = [*map(str, shown), *([f"and {more:,} more"] if more else [])]
        super().__init__("\n".join(lines))


class TextError(StreamError):
    """Something is wrong in a text within a rule file.

    `offset` is the zero-based position in that text, None where it has none. `code`: what kind of finding it
    is, where that is not plain from what was being done.
    """

    def __init__(
        self, message: str, *, offset: int | None = None, hint: str | None = None, code: Code | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.offset = offset
        self.code = code


class ExpressionError(TextError):
    """A condition does not parse, uses what is not supported, or failed when evaluated."""


class ContentError(TextError):
    """A template does not parse, uses what is not supported, or failed when rendered.

    `variable`: of the template, which was to be written and is not there, or is an object, where it failed
    for that. `filter`: the one that could not take what it was given, with what it was applied to, as
    `event.price | times`.
    """

    variable: str | None = None
    filter: str | None = None


class EventFileError(StreamError):
    """A file of past events cannot be read."""


class StateError(StreamError):
    """A customer's state cannot be read or kept: corrupt, too large, or of a version that is not known."""


class StoreError(StreamError):
    """The disk cannot be read or written, or belongs to somebody else. The worker stops, nothing is lost."""

    exit_code = 70


class TopologyError(StreamError):
    """The topics in Kafka do not fit: missing, of unequal partition counts, made anew under a worker."""


class BrokerError(StreamError):
    """The embedded Kafka cannot be fetched, started or stopped, or no Kafka answers at an address."""


class RefusedError(StreamError):
    """Kafka does not take what is written: too large, not allowed, no key. The worker stops, and nothing is
    lost.
    """

    exit_code = 70


class InternalError(StreamError):
    """This program broke one of its own rules: always a bug of ours. It ends the worker."""

    exit_code = 70


class RuleSetError(StreamError):
    """The rules compile, and cannot be run: too many definitions, or two that states cannot tell apart."""


class CheckpointError(StreamError):
    """A checkpoint has failed: what it took from the state is in nobody's hands, and the worker stops."""

    exit_code = 70


class MembershipError(StreamError):
    """The worker is no longer a member of its group, and must not come back: another one has its place."""

    exit_code = 70
