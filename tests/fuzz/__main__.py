"""Fuzz one target with atheris, guided by the coverage of the modules that read what users write.

`python -m tests.fuzz TARGET [libFuzzer's flags]`, e.g. `-max_total_time=600`. Prints its seed; an input that
fails is written to `crash-…` in the current directory. New inputs are kept in a temporary directory.
"""

from __future__ import annotations

import sys
import tempfile

import atheris

with atheris.instrument_imports(
    include=[
        "stream.cel",
        "stream.expression",
        "stream.content.template",
        "stream.content.renderer",
        "stream.content.filters",
        "stream.content.escaping",
        "stream.rules.files",
        "stream.rules.compiler.rule_set",
    ]
):
    from tests.fuzz.targets import CORPUS, TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"usage: python -m tests.fuzz {{{'|'.join(TARGETS)}}} [flags]")
    target, *flags = sys.argv[1:]
    with tempfile.TemporaryDirectory() as fresh:
        limits = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=4096"]
        atheris.Setup([sys.argv[0], *limits, *flags, fresh, str(CORPUS / target)], TARGETS[target])
        atheris.Fuzz()


main()
