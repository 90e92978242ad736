"""Types of the compiled `_guards`; the essay is in `_guards.pyx`."""

from typing import final

from stream.decisions.experiments import Arms
from stream.matcher._match import Match
from stream.rules.model import Channel
from stream.structs import DecisionReason, Holdout, Outcome

@final
class Verdict:
    @property
    def outcome(self) -> Outcome: ...
    @property
    def reason(self) -> DecisionReason | None: ...
    @property
    def channel(self) -> Channel: ...
    @property
    def until(self) -> int: ...
    @property
    def held_out_by(self) -> tuple[Holdout, ...]: ...
    @property
    def silenced_by(self) -> str | None: ...

def verdict_on(match: Match, arms: Arms | None = None) -> Verdict: ...
