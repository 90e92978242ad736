"""Texts that show a sum or a mean as it is computed: 125.53999999999999, 41.833333333333336, or 90.0.

A sum of amounts has the error of each of them, and nobody but the author knows how many digits are meant.
Filters that count show what is written of them: `{{ event.price | times: 3 }}` of 19.99 is 59.97.
Tested by tests/rules/test_unrounded.py.
"""

from __future__ import annotations

import re

from stream.diagnostics import Code
from stream.rules.compiler.compilation import Compilation
from stream.rules.compiler.unwritten import texts_of
from stream.rules.compiler.uses import lead
from stream.rules.files import Scalar
from stream.rules.model import RuleSet

_COMPUTED = frozenset({"sum", "mean", "gap"})
_ROUNDS = re.compile(r"\|\s*(?:round|money|ceil|floor)\b")


def warn_of_unrounded(run: Compilation, rules: RuleSet) -> None:
    computed = {trait.name for trait in rules.traits if trait.function in _COMPUTED}
    for rule in rules.rules:
        for template, keys in texts_of(rule):
            _, written = lead(run.files.rules[rule.name], keys)
            forms = {channel.format_of(str(keys[-1])) for channel in rule.channels}
            if not isinstance(written, Scalar) or "json" in forms:  # a program reads it
                continue
            for output in template.outputs:
                first = output.references[0]
                if (
                    first.path[0] != "traits"
                    or first.path[1] not in computed
                    or _ROUNDS.search(output.source)
                ):
                    continue
                message = f"`{first.name}` is written with all its digits, such as 125.53999999999999 or 90.0"
                inner = output.source.strip("{}- \n").rstrip()
                hint = f"write {{{{ {inner} | round: 2 }}}}, or | money: 'EUR'"
                run.findings.add(Code.UNROUNDED, written.at(first.offset), message, hint)
