"""What the doctor says: one finding for each thing looked at, with a fix for what is amiss."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from stream.diagnostics import one_line

Status = Literal["ok", "warning", "error", "unknown"]
_STYLES = {"ok": "green", "warning": "bold yellow", "error": "bold red", "unknown": "dim"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing. Not a Diagnostic: that is a mistake at a place in a file, with a code.

    `status`: `ok`; `warning`: it runs, and an accident will be worse for it; `error`: it will not run, not
    for long, or not rightly; `unknown`: could not be looked at. `check`: what was looked at, a word or two.
    """

    status: Status
    check: str
    message: str
    fix: str | None = None


def ok(check: str, message: str) -> Finding:
    return Finding("ok", check, message)


def warning(check: str, message: str, fix: str) -> Finding:
    return Finding("warning", check, message, fix)


def error(check: str, message: str, fix: str) -> Finding:
    return Finding("error", check, message, fix)


def unknown(check: str, message: str, fix: str) -> Finding:
    return Finding("unknown", check, message, fix)


def failed(findings: Sequence[Finding]) -> bool:
    """Whether the doctor ends with 1."""
    return any(each.status == "error" for each in findings)


def report(findings: Sequence[Finding], out: Console, *, as_json: bool) -> None:
    """Write them: one line each and its fix below, then a sum; or an object with `ok` and `findings`."""
    if as_json:
        body = {"ok": not failed(findings), "findings": [asdict(each) for each in findings]}
        out.print(json.dumps(body, indent=2), markup=False, highlight=False, soft_wrap=True)
        return
    width = max(len(each.check) for each in findings)
    for each in findings:
        text = Text(f"{each.status:<8}", _STYLES[each.status])
        text.append(f" {each.check:<{width}}  ", "bold").append(one_line(each.message), "default")
        if each.fix:
            text.append(f"\n{'':8} {'':{width}}  fix: {one_line(each.fix)}")
        out.print(text, highlight=False, soft_wrap=True)
    counts = [
        f"{count} {status}{'s' if count > 1 and status in ('error', 'warning') else ''}"
        for status in ("error", "warning", "unknown", "ok")
        if (count := sum(each.status == status for each in findings))
    ]
    out.print(", ".join(counts), markup=False, highlight=False)
