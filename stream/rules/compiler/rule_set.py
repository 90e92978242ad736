"""A directory of rule files, compiled: every section in turn, then what all of them must fit.

All errors of all files are found in one run; there is no rule set with a part left out.
Tested by tests/rules/test_compiler.py.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stream.diagnostics import Diagnostic, in_file_order
from stream.errors import RuleFileError
from stream.rules.compiler.allowances import Allowances, wrong_allowances
from stream.rules.compiler.channels import read_channel, read_policy
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.definition import Findings, check_name
from stream.rules.compiler.identity import with_revision
from stream.rules.compiler.plan import NO_PLAN, TrackingPlan, read_plan
from stream.rules.compiler.planned import hold_against_plan
from stream.rules.compiler.privacy import check_privacy
from stream.rules.compiler.rules import check_silences, read_rule
from stream.rules.compiler.sources import check_some, check_topics, first_source, read_source
from stream.rules.compiler.testcases import read_tests
from stream.rules.compiler.traits import read_segments, read_trait
from stream.rules.compiler.uses import Definitions
from stream.rules.compiler.warnings import warn
from stream.rules.files import DISK, FileReader, RuleFiles, collect
from stream.rules.model import RuleSet
from stream.rules.testcases import RuleTest
from stream.rules.trait_shapes import with_fields
from stream.structs import OwnTopics

NOBODYS = OwnTopics()


def load_rules(directory: Path, own: OwnTopics = NOBODYS) -> RuleSet:
    """Read and compile a directory of rule files. Raises RuleFileError with every error in them."""
    checked = check_rules(directory, own)
    if checked.rules is None:
        raise RuleFileError([each for each in checked.diagnostics if each.severity == "error"])
    return checked.rules


def check_rules(
    directory: Path, own: OwnTopics = NOBODYS, allow: Iterable[str] = (), reader: FileReader = DISK
) -> Checked:
    """Read and compile a directory of rule files, with every error and warning.

    `own`: the topics of the program, which no source and no channel can have. `allow`: codes of warnings that
    are meant, beside those that the files allow. Raises RuleFileError if a file cannot be read at all.
    """
    with _no_collection():
        return compile_files(*collect(directory, reader), own, allow)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, in file order; `rules` is None if there is an error among it.

    `files`: the definitions as they are written; `plan`: what the tracking plan says.
    """

    rules: RuleSet | None
    diagnostics: tuple[Diagnostic, ...]
    tests: tuple[RuleTest, ...] = ()
    files: RuleFiles = field(default=RuleFiles(), repr=False, compare=False)
    plan: TrackingPlan = field(default=NO_PLAN, repr=False, compare=False)


def compile_files(
    files: RuleFiles, found: list[Diagnostic], own: OwnTopics = NOBODYS, allow: Iterable[str] = ()
) -> Checked:
    """`found`: what was wrong when the files were read."""
    findings = Findings([*found, *wrong_allowances(files)], Allowances(files, allow))
    run = Compilation(files, findings)
    for kind in ("source", "trait", "segment", "channel", "rule"):
        for entry in getattr(files, f"{kind}s").values():
            check_name(entry, kind, findings)
    # Each in the order of names, so that nothing depends on the order of files.
    sources = [read_source(run, entry) for entry in files.sources.values()]
    run.plan = read_plan(run, sources)
    traits = [read_trait(run, entry) for entry in files.traits.values()]
    if run.plan.events:
        run.traits = with_fields(run.traits, traits, run.plan.event)
    segments = read_segments(run)
    channels = {name: read_channel(run, entry) for name, entry in files.channels.items()}
    policy = read_policy(run)
    rules = {name: read_rule(run, entry, channels, policy) for name, entry in files.rules.items()}
    check_silences(run, rules.values())
    first = first_source(run, sources)
    tests = read_tests(run, sources, first, rules)
    check_topics(run, sources, channels.values(), own)
    check_some(run, sources)
    definitions = Definitions(
        sources,
        traits,
        segments,
        list(channels.values()),
        policy,
        list(rules.values()),
        list(run.predicates),
    )
    check_privacy(run, traits, segments, policy, rules.values())
    hold_against_plan(run, definitions, first)
    compiled = None
    if not findings.refused:
        compiled = with_revision(*definitions, first)
        warn(run, compiled, tests)
        findings.all += findings.allowances.in_vain()
    return Checked(compiled, tuple(in_file_order(findings.all)), tests, files, run.plan)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No looking for garbage meanwhile: trees have no cycles, and it costs a third of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # and back: all of it counts as old, and is not looked through at once
        gc.unfreeze()
        gc.enable()
