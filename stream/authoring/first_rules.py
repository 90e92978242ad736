"""`stream new`: of a few answers a first folder of rules that `stream check` and `stream test` pass.

Tested by tests/authoring/test_first_rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import available_timezones

import orjson

from stream.authoring import tracking_plan
from stream.authoring.observed import looks_like_a_persons
from stream.diagnostics import one_line
from stream.errors import StreamError
from stream.hints import did_you_mean, did_you_mean_zone
from stream.history.event_files import event_files
from stream.history.inputs import Input, ignore, inputs_of
from stream.rules import field_paths, forms
from stream.rules.compiler.rule_set import load_rules
from stream.rules.files import paths_in
from stream.rules.model import FieldPath
from stream.rules.schema import schema_text

EDITOR = "# yaml-language-server: $schema=schema.json\n"
LOOKED_AT = 1_000  # records, to see what their fields are called
NONE = "none"

# What fields are called by those who send events, the likeliest first; compared without case and marks.
_CALLED: Mapping[str, Sequence[str]] = {
    "event": ("event", "event_name", "event_type", "type", "name", "action"),
    "customer": ("customer_id", "customer", "user_id", "user", "member_id", "client_id", "profile_id"),
    "time": ("ts", "time", "timestamp", "event_time", "occurred_at", "created_at", "sent_at", "date"),
    "id": ("event_id", "message_id", "uuid", "id"),
}
_BOUGHT = re.compile(r"purchas|order|checkout|paid|payment|sale|book|subscri", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a first folder is made of. `event_field` None: every record of the source is an `event`; `time`
    and `id` None: records have none. `consent`: the purpose that the channel asks for, or `none`. `goal`: the
    event that the rule should lead to.
    """

    source: str = "clickstream"
    topic: str | None = None
    event: str = "product_view"
    event_field: str | None = "event"
    customer: str = "customer_id"
    time: str | None = "ts"
    id: str | None = "event_id"
    channel: str = "web"
    consent: str = NONE
    timezone: str = "UTC"
    goal: str | None = "purchase"
    plan: str = field(default="", repr=False)  # the tracking plan, as a file


def checked(answers: Answers) -> Answers:
    """The same; raises StreamError where a rule file could not say it."""
    for option, name in (("--source", answers.source), ("--channel", answers.channel)):
        if not re.fullmatch(forms.NAME, name):
            hint = "small letters, digits, - and _, and a letter first; the topic may be called otherwise"
            raise StreamError(f"{option} {name}: no name of a definition", hint=hint)
    if answers.consent != NONE and not re.fullmatch(forms.PURPOSE, answers.consent):
        raise StreamError(
            f"--consent {answers.consent}: no name of a purpose", hint="such as marketing_email"
        )
    if answers.timezone not in available_timezones():
        hint = did_you_mean_zone(answers.timezone) or "such as Europe/Berlin"
        raise StreamError(f"--timezone {answers.timezone}: there is no such time zone", hint=hint)
    fields = (answers.event_field, answers.customer, answers.time, answers.id)
    for path in filter(None, fields):
        try:
            field_paths.read(path)
        except ValueError:
            raise StreamError(f"`{path}` is no field path", hint=field_paths.hint(path)) from None
    for name in filter(None, (answers.event, answers.goal)):
        if not 1 <= len(name) <= forms.MAX_EVENT_NAME:
            raise StreamError(f"an event's name has 1 to {forms.MAX_EVENT_NAME} characters")
    return answers


# ---- what past events say ----


def seen_in(files: Sequence[str], given: Answers, said: Iterable[str]) -> Answers:
    """`given`, with what the files of past events have in place of what nobody has `said`: the names of
    fields, the commonest event, and the tracking plan. Raises EventFileError, StreamError.
    """
    with ExitStack() as stack:
        inputs = inputs_of(files, [given.source], stack)
        bodies = [body for each in inputs for body in _some(each)]
    fixed = set(said)
    found = {key: _field_of(key, bodies) for key in _CALLED if key not in fixed}
    if "customer" in found and found["customer"] is None:
        names = ", ".join(list(dict.fromkeys(name for body in bodies for name in body))[:20])
        hint = f"say --customer-field; there are: {names}" if names else "one JSON object a line, or a table"
        raise StreamError("which field says whose an event is?", hint=hint)
    answers = replace(
        given,
        customer=found.get("customer") or given.customer,
        event_field=found.get("event", given.event_field),
        time=found.get("time", given.time),
        id=found.get("id", given.id),
    )
    if answers.id == answers.customer:
        answers = replace(answers, id=None)  # a table of customers: of events it is not the id
    if answers.event_field is None and "event_name" not in fixed:
        raise StreamError("what are these events?", hint="no field has their name; say it with --event")
    with TemporaryDirectory(prefix="stream-new-") as name:
        folder = Path(name)
        (folder / "sources.yaml").write_text(_sources(checked(answers)), encoding="utf-8")
        sources = tracking_plan.sources_of(folder)
        with event_files([f"{answers.source}={each}" for each in files], sources) as lines:
            plan = tracking_plan.infer(sources, tracking_plan.records_of(lines))
    if not plan.events:
        raise StreamError("no event was found in them", hint="see --event-field and --customer-field")
    common = sorted(plan.events, key=lambda name: -plan.events[name].count)
    chosen = given.event if "event_name" in fixed else common[0]
    if chosen not in plan.events:
        hint = did_you_mean(chosen, common) or f"there are: {', '.join(common[:10])}"
        raise StreamError(f"the past events have no `{chosen}`", hint=hint)
    goal = given.goal if "goal" in fixed else _goal(chosen, common)
    return replace(answers, event=chosen, goal=goal, plan=tracking_plan.as_yaml(plan, sources))


def _goal(event: str, common: Sequence[str]) -> str | None:
    """What is bought, or else what is rarest: of all that customers do it probably matters most."""
    others = [name for name in common if name != event]
    bought = [name for name in others if _BOUGHT.search(name)]
    return next(iter(bought or others[::-1]), None)


def _some(origin: Input) -> Iterator[dict[str, Any]]:
    """The first objects in it."""
    values = (value for piece in origin.pieces(ignore) for value in piece.values)
    for value in islice(values, LOOKED_AT):
        try:
            body = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        if isinstance(body, dict):
            yield body


def _field_of(key: str, bodies: Sequence[dict[str, Any]]) -> str | None:
    """The path of the field that has it in most records, at the top or within one object."""
    paths: dict[FieldPath, int] = {}
    for body in bodies:
        for name, value in body.items():
            for path, each in ((name,), value), *(((name, inner), v) for inner, v in _inner(value)):
                if type(each) in (str, int) and each != "" and not (key == "event" and _is_odd(each)):
                    paths[path] = paths.get(path, 0) + 1
    for called in _CALLED[key]:
        same = [path for path in paths if _letters("".join(path)) == _letters(called)]
        same += [path for path in paths if len(path) == 1 and _letters(path[0]) == _letters(called)]
        if same and paths[best := max(same, key=lambda path: paths[path])] * 2 > len(bodies):
            return field_paths.write(best)
    return None


def _inner(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _is_odd(value: Any) -> bool:
    return not isinstance(value, str) or looks_like_a_persons(value)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


# ---- what is written ----


def files_of(answers: Answers) -> dict[str, str]:
    """The files of the folder, by their names."""
    checked(answers)
    found = {
        "sources.yaml": _sources(answers),
        "channels.yaml": _channels(answers),
        "policy.yaml": _policy(answers),
        f"{_slug(answers)}.yaml": _rule(answers),
        "schema.json": schema_text(),
    }
    return found | ({"events.yaml": EDITOR + answers.plan} if answers.plan else {})


def _slug(answers: Answers) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", answers.event.lower()).strip("-")[:60].strip("-") or "event"
    return f"third-{plain}"


def _sources(answers: Answers) -> str:
    topic = answers.topic or answers.source
    named = answers.event_field and _text(answers.event_field)
    event = f"    event: {named}" if named else f"    event: {{is: {_text(answers.event)}}}"
    lines = [
        EDITOR + "# Where events come from: the topic, and which of their fields means what.\n",
        "sources:",
        f"  {answers.source}:",
        f"    topic: {_text(topic)}",
        event + ("                # this field has the event's name" if named else ""),
        f"    customer: {_text(answers.customer)}",
    ]
    lines += [f"    time: {_text(answers.time)}"] if answers.time else []
    if answers.id:
        lines += [
            f"    id: {_text(answers.id)}",
            "    dedupe: 1d                  # what is sent twice counts once",
        ]
    if answers.consent != NONE:
        lines += [
            "",
            "  # What customers have agreed to, and what they are reached by.",
            "  profiles:",
            "    kind: profile",
            f"    customer: {_text(answers.customer)}",
        ]
    return "\n".join(lines) + "\n"


def _channels(answers: Answers) -> str:
    why = "               # `none` is for what needs none, such as the page that is open"
    return (
        EDITOR
        + "# Where messages go: whatever sends them reads this topic.\n\n"
        + f"channels:\n  {answers.channel}:\n    topic: {_text(f'triggers.{answers.channel}')}\n"
        + f"    consent: {answers.consent}"
        + (f"{why}\n" if answers.consent == NONE else "\n")
    )


def _policy(answers: Answers) -> str:
    return (
        EDITOR
        + "# What holds for every rule.\n\n"
        + f"policy:\n  timezone: {answers.timezone}\n"
        + "  cap: 3 per 7d                 # from all channels that need consent together\n"
        + "  stale_after: 1h               # older ones get no answer: leave it out to try with them\n"
    )


def _rule(answers: Answers) -> str:
    event, name = _text(answers.event), _slug(answers)
    trait = re.sub(r"[^a-z0-9]+", "_", name.replace("third-", "times_", 1)) + "_1d"
    goal = f"\n    goal: {{on: {_text(answers.goal)}, within: 7d}}" if answers.goal else ""
    consents = "" if answers.consent == NONE else f"\n    customer: {{consents: [{answers.consent}]}}"
    at = [f"      - {{at: {minute}m, event: {event}}}" for minute in (0, 5, 9)]
    return f"""{EDITOR}# A first rule: who does it for the third time in a day hears from us. Make it yours.

traits:                            # what is known about a customer
  {trait}: {{function: count, of: {event}, over: 1d}}

rules:
  {name}:
    describe: For the third time within a day
    on: {event}
    if: traits.{trait} == 3
    send:
      channel: {answers.channel}
      content: {{text: "May we help?"}}
    limit: 1 per 7d                # not more often, whatever they do
    holdout: 10%                   # get nothing, to compare with{goal}

tests:
  - name: the third time, not the second{consents}
    events:
{chr(10).join(at)}
    expect:
      - {{at: 9m, rule: {name}, channel: {answers.channel}, content: {{text: "May we help?"}}}}
"""


def workflow(path: str) -> str:
    """Of GitHub Actions: each push is checked and tested. `path`: of the folder, in its repository."""
    return f"""name: rules
on: [push, pull_request]

jobs:
  rules:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.11"}}
      # The repository's variable STREAM_TRIGGERS: what pip installs, such as the address of a wheel.
      - run: pip install "${{{{ vars.STREAM_TRIGGERS }}}}"
      - run: stream check {path} --format github
      - run: stream test {path} --junit rules.xml
      - uses: actions/upload-artifact@v4
        if: always()
        with: {{name: rules, path: rules.xml}}
"""


def _text(text: str) -> str:
    return tracking_plan.as_text(text)


# ---- made ----


def make(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Write the folder, and the workflow into its repository; which files that are. Nothing is written over.

    Raises StreamError with what is in the way, RuleFileError where the rules are not right.
    """
    with TemporaryDirectory(prefix="stream-new-") as name:
        for each, text in files.items():
            draft = Path(name, each)
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
        load_rules(Path(name))
    wanted = {directory / each: text for each, text in files.items()}
    home, path = _repository(directory)
    wanted[home / ".github" / "workflows" / "rules.yml"] = workflow(path)
    in_the_way = [each for each in wanted if each.exists() or each.is_symlink()]
    in_the_way += (
        [each for each in paths_in(directory) if each not in in_the_way] if directory.is_dir() else []
    )
    if directory.exists() and not directory.is_dir():
        in_the_way = [directory]
    if in_the_way:
        names = ", ".join(map(str, in_the_way[:5])) + (", …" if len(in_the_way) > 5 else "")
        raise StreamError(
            f"in the way: {one_line(names)}", hint="nothing was written; name a folder of its own"
        )
    try:
        for file, text in wanted.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as out:
                out.write(text)
    except OSError as error:
        raise StreamError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return list(wanted)


def _repository(directory: Path) -> tuple[Path, str]:
    """The root of the repository that the folder is in, and its path there; else the folder itself."""
    found = directory.resolve()
    for above in found.parents:
        if (above / ".git").exists():
            return above, found.relative_to(above).as_posix()
    return directory, "."


def example(folder: Path) -> dict[str, str]:
    """The rule files of an example, their tests and their schema, by their names."""
    paths = [*(each for each in paths_in(folder)), folder / "schema.json"]
    return {each.relative_to(folder).as_posix(): each.read_text(encoding="utf-8") for each in paths}
