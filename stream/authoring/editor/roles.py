"""What a scalar of a rule file says, by the keys above it: a condition, a text, or a name of something.

And which names stand in it: `mentions`.
Tested by tests/authoring/editor/test_places.py and test_uses.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from stream.authoring.editor.places import Path

# What has a name.
Noun = Literal[
    "event",
    "trait",
    "segment",
    "channel",
    "rule",
    "source",
    "purpose",
    "group",
    "subject",
    "step",
    "variant",
    "arm",
    "code",
    "zone",
]
Sees = Literal["event", "value", "customer", "rule"]  # of a condition


class Role(NamedTuple):
    """`kind`: a condition in CEL, a text in Liquid, a name of a `noun`, a field's path, or an address, which
    begins with `event` or `customer`.
    """

    kind: Literal["cel", "text", "name", "path", "address"]
    noun: Noun | None = None
    sees: Sees = "rule"


def _names(noun: Noun, *patterns: str) -> dict[tuple[str, ...], Role]:
    return {tuple(each.split(".")): Role("name", noun) for each in patterns}


def _conditions(sees: Sees, *patterns: str) -> dict[tuple[str, ...], Role]:
    return {tuple(each.split(".")): Role("cel", sees=sees) for each in patterns}


_CONTENT = ("rules.*.send.content.*", "rules.*.send.variants.content.*")
# Without the numbers of list items; `*` is any name.
_ROLES: dict[tuple[str, ...], Role] = {
    **_conditions("event", "rules.*.where", "rules.*.steps.where", "rules.*.unless.where", "traits.*.where"),
    **_conditions("value", "traits.*.value"),
    **_conditions("customer", "segments.*", "policy.suppress", "channels.*.suppress"),
    **_conditions("rule", "rules.*.if"),
    **{tuple(each.split(".")): Role("text") for each in _CONTENT},
    **_names("event", "rules.*.on", "rules.*.steps.on", "rules.*.unless.on", "rules.*.goal.on"),
    **_names(
        "event",
        "rules.*.goals.on",
        "traits.*.of",
        "policy.sensitive.*.events",
        "tests.events.event",
    ),
    **_names("event", "traits.*.clear", "traits.*.remove"),
    **_names("event", "sources.*.event.is"),
    **_names("channel", "rules.*.send.channel", "tests.expect.channel"),
    **_names("rule", "tests.rule", "tests.expect.rule"),
    **_names("source", "events.*.source", "tests.events.source"),
    **_names("source", "rules.*.discloses"),
    **_names("purpose", "channels.*.consent", "policy.sensitive.*.consent", "tests.customer.consents"),
    **_names("purpose", "sources.*.consents"),
    **_names("group", "rules.*.group"),
    **_names("subject", "rules.*.sensitive"),
    **_names("step", "rules.*.steps.as"),
    **_names("variant", "tests.expect.variant", "rules.*.send.variants.name"),
    **_names("arm", "tests.arm"),
    **_names("zone", "policy.timezone"),
    **_names("code", *(f"{each}.*.allow" for each in ("rules", "traits", "channels", "sources"))),
    **_names("code", "policy.allow", "tests.allow"),
    **{
        tuple(each.split(".")): Role("path")
        for each in (
            "traits.*.field",
            "traits.*.per",
            "traits.*.fields",
            "traits.*.key",
            "traits.*.items",
            "rules.*.goal.value",
            "rules.*.goals.value",
        )
    },
    **{
        tuple(each.split(".")): Role("address")
        for each in (
            "channels.*.address",
            "channels.*.address.of",
            "rules.*.key",
            "policy.sensitive.*.fields",
        )
    },
}
# Of keys: what it is that is called so, by what is above it.
_KEYS: dict[tuple[str, ...], Noun] = {
    ("traits",): "trait",
    ("segments",): "segment",
    ("channels",): "channel",
    ("rules",): "rule",
    ("sources",): "source",
    ("events",): "event",
    ("policy", "sensitive"): "subject",
    ("tests", "known"): "trait",
    ("tests", "customer", "consents"): "purpose",
}
DEFINED = ("traits", "segments", "channels", "rules", "sources", "events")
_NAMED = ("content", "sensitive", "known", "attributes", "fields")  # keys below which there are names


@lru_cache(maxsize=4096)
def _plain(keys: tuple[str, ...]) -> tuple[str, ...]:
    """With `*` for what authors name."""
    found = list(keys)
    for index, key in enumerate(keys[:-1]):
        if (index == 0 and key in DEFINED) or (index > 0 and key in _NAMED and found[index] != "*"):
            found[index + 1] = "*"
    return tuple(found)


def pattern(path: Path) -> tuple[str, ...]:
    """The keys of a path, `*` for names, without list items."""
    return _plain(tuple(each for each in path if isinstance(each, str)))


def role_of(path: Path) -> Role | None:
    """What the scalar at a path says."""
    return _ROLES.get(pattern(path))


def noun_of_key(path: Path) -> Noun | None:
    """What a key names, by the path to what is around it."""
    return _KEYS.get(pattern(path))


def defines(path: Path) -> bool:
    """Whether the keys below a path are definitions."""
    return pattern(path) in (*((each,) for each in DEFINED), ("policy", "sensitive"))


class Mention(NamedTuple):
    """A name in a scalar, and where in it."""

    noun: Noun
    name: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.name)


_SPACES: dict[str, Noun] = {"traits": "trait", "segments": "segment", "context": "source"}
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_SELECTED = (
    r"(?<![\w.$])(?P<root>traits|segments|context)\s*"
    r"(?:\.\s*(?P<name>[A-Za-z_]\w*)|\[\s*[\"'](?P<key>[^\"'\n]+)[\"'])"
)
_IN_CEL = re.compile(rf"{_STRING}|//[^\n]*|{_SELECTED}", re.DOTALL)
_IN_TEXT = re.compile(rf"{_STRING}|{_SELECTED}", re.DOTALL)
_BRACES = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)


def mentions(role: Role, written: str, steps: Sequence[str] = ()) -> Iterator[Mention]:
    """The names in a scalar. `steps`: those of its rule."""
    if role.kind == "name" and role.noun is not None:
        yield Mention(role.noun, written, 0)
    elif role.kind == "cel":
        yield from _selected(_IN_CEL, written, 0, len(written))
        yield from _steps(written, 0, len(written), steps)
    elif role.kind == "text":
        for braces in _BRACES.finditer(written):
            yield from _selected(_IN_TEXT, written, *braces.span())
            yield from _steps(written, *braces.span(), steps)


def _selected(form: re.Pattern[str], written: str, begin: int, end: int) -> Iterator[Mention]:
    for each in form.finditer(written, begin, end):
        if each["root"]:
            group = "name" if each["name"] else "key"
            yield Mention(_SPACES[each["root"]], each[group], each.start(group))


def _steps(written: str, begin: int, end: int, steps: Sequence[str]) -> Iterator[Mention]:
    if steps:
        words = "|".join(map(re.escape, steps))
        for each in re.compile(rf"{_STRING}|(?<![\w.$])(?P<step>{words})\b").finditer(written, begin, end):
            if each["step"]:
                yield Mention("step", each["step"], each.start("step"))
