"""What would be sent as it stands, and was probably meant otherwise."""

from __future__ import annotations

import pytest

from stream.content.leftovers import MOST
from stream.content.template import Template, doubts
from stream.diagnostics import Code

OTHERS = [
    *("{first_name}", "{ first_name }", "${first_name}", "#{first_name}", "*|FIRST_NAME|*", "%%first_name%%"),
    *("[[first_name]]", "<%= first_name %>", "{ { first_name } }", "{{first_name}} {% endraw %}{first_name}"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_placeholders_of_other_programs_are_warned_about(other: str) -> None:
    source = f"{{% raw %}}Hi {other}" if "endraw" in other else f"Hi {other}, {{{{ event.x }}}}"
    (found,) = doubts(Template(source), "body", {"mail": "text"})
    assert found.code is Code.OTHER_PLACEHOLDER
    assert found.hint == "write {{ customer.first_name }} or {{ event.first_name }}"
    assert source[found.offset : found.offset + 3] in other


@pytest.mark.parametrize(
    "source",
    [
        "Hi {{ first_name }}, {{event.name}}",
        "{% if event.x %}x{% endif %}",
        "<style>p {color: red} a{}</style>",
        '{"name": {"first": 1}}',
        "100%% of [all] * | {1} $5 {} #1 a|b|*c*",
        "50% off, 20%% more",
        "<% %>",
        "{% raw %}{{ first_name }}{% endraw %}",
    ],
)
def test_what_is_no_placeholder_is_not(source: str) -> None:
    assert not [each for each in doubts(Template(source), "body", {"mail": "html"}) if each.code]


def test_of_many_placeholders_a_few_are_told_of() -> None:
    assert len(list(doubts(Template("{first_name} " * 1000), "body", {"mail": "text"}))) == MOST


def test_a_comment_of_another_language_is_sent_too() -> None:
    (found,) = doubts(Template("Hi {# remove this #}"), "body", {"mail": "text"})
    assert found.hint == "a comment is {% comment %} … {% endcomment %}"


@pytest.mark.parametrize(
    ("source", "tag"),
    [
        ("Hi <b>{{ event.x }}</b>", "<b>"),
        ("Hi</p>", "</p>"),
        ("a<br/>b<br>", "<br/>"),
        ("{{ event.x }} <A HREF='https://shop.example'>", "<A HREF"),
        ("a < b > c <3 <name> a<b", None),
    ],
)
def test_tags_where_none_are_read_are_warned_about(source: str, tag: str | None) -> None:
    found = list(doubts(Template(source), "body", {"mail": "text"}))
    assert [source[each.offset :].startswith(tag or "?") for each in found] == ([] if tag is None else [True])
    assert all(each.code is Code.TAGS_IN_TEXT for each in found)
    assert len(list(doubts(Template(source), "body", {"sms": "line", "app": "json"}))) == len(found)
    assert not list(doubts(Template(source), "body", {"mail": "html", "app": "json"}))


def test_of_several_channels_the_one_is_named_that_has_no_format() -> None:
    """`say so in its channel` sent people to the channel of mail, which had said so."""
    (found,) = doubts(Template("<b>Hi</b>"), "body", {"mail": "html", "push": "text"})
    assert found.message == "a tag of HTML, `<b>`, in a text for `push`: values there are not escaped"
    assert found.hint == "if `push` takes HTML, say so there: `format: {body: html}`"


def test_a_path_in_the_wrong_braces_came_with_a_path_that_is_never_there() -> None:
    """`{event.store}`: write {{ event.event.store }}."""
    (found,) = doubts(Template("Hello { event.store }"), "body", {"mail": "text"})
    assert found.hint == "write {{ event.store }}"
