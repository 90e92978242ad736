"""Values in html and json: never markup, always a document; and what is refused before anything is sent."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.content.formats import Format
from stream.content.template import Template, format_findings
from stream.errors import ContentError

NASTY = "<script>alert('\"&')</script>"
SCALARS = st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.text(max_size=20) | st.just(NASTY)
VALUES = st.recursive(
    st.none() | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def render(source: str, form: Format, **bindings: Any) -> str:
    return Template(source).render(bindings, form)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<b>{{ x }}</b>", "<b>&lt;i&gt; &amp; &quot;&#x27;</b>"),
        ("{{ x | upcase }}", "&lt;I&gt; &amp; &quot;&#x27;"),
        ("{{ missing | default: '<b>' }}", "&lt;b&gt;"),
        ("{{ x | escape }}", "&lt;i&gt; &amp; &quot;&#x27;"),  # once, though it is asked for and done anyway
        ("{{ '&lt;' | escape_once }}", "&lt;"),
        ("{{ lines | newline_to_br }}", "a&lt;<br />\nb"),
        ("{{ x | strip_html }}", " &amp; &quot;&#x27;"),
        ("{% assign y = x %}{{ y }}", "&lt;i&gt; &amp; &quot;&#x27;"),
        ("{% echo x %}", "&lt;i&gt; &amp; &quot;&#x27;"),
        ("{% cycle x, 'b' %}", "&lt;i&gt; &amp; &quot;&#x27;"),
        ("{% for y in list %}{{ y }}{% endfor %}", "&lt;&gt;"),
        ("{{ list }}", "&lt;&gt;"),
        ("{% capture y %}<b>{{ x }}</b>{% endcapture %}{{ y }}", "<b>&lt;i&gt; &amp; &quot;&#x27;</b>"),
        # Whatever is done to what was captured makes it a text like any other.
        ("{% capture y %}<b>{% endcapture %}{{ y | append: '' }}", "&lt;b&gt;"),
        ("{% capture y %}&lt;b&gt;{% endcapture %}{{ y | replace: '&lt;', '<' }}", "&lt;b&amp;gt;"),
        ("{{ x | escape | url_decode }}", "&amp;lt;i&amp;gt; &amp;amp; &amp;quot;&amp;#x27;"),
        ("{{ b64 | base64_decode }}", "&lt;b&gt;"),
        ("{{ x | split: '' | join: '' }}", "&lt;i&gt; &amp; &quot;&#x27;"),
    ],
)
def test_what_stands_in_braces_is_text_in_html(source: str, text: str) -> None:
    given = {"x": "<i> & \"'", "list": ["<", ">"], "lines": "a<\nb", "b64": "PGI+"}
    assert render(source, "html", **given) == text


@given(VALUES, st.sampled_from(["", "upcase", "escape", "newline_to_br", "strip_html", "url_decode", "json"]))
def test_no_value_becomes_markup(value: Any, name: str) -> None:
    applied = f"| {name}" if name not in ("", "json") else ""
    for source in (
        f"{{{{ x {applied} }}}}",
        f"{{% capture y %}}{{{{ x {applied} }}}}{{% endcapture %}}{{{{ y }}}}",
    ):
        try:
            text = render(source, "html", x=value)
        except ContentError:
            continue
        text = text.replace("<br />\n", "") if name == "newline_to_br" else text
        assert not {"<", ">", '"', "'"}.intersection(text)
        if not applied and isinstance(value, str):
            assert html.unescape(text) == value or "&" in value


@given(VALUES)
@settings(max_examples=200)
def test_a_document_stays_one_whatever_is_put_in(value: Any) -> None:
    text = render('{"out": {{ x }}, "list": [{{ x }}, {{ x }}]}', "json", x=value)
    assert json.loads(text) == {"out": value, "list": [value, value]}
    assert "<" not in text


@given(SCALARS)
@settings(max_examples=200)
def test_a_text_in_a_document_is_a_text_whatever_is_put_in(value: Any) -> None:
    read = json.loads(text := render('{"in": "{{ x }}"}', "json", x=value))
    assert isinstance(read["in"], str)
    if isinstance(value, str):
        assert read["in"] == value
    assert "<" not in text


@pytest.mark.parametrize("value", [None, {"a": 1}, ["a", None], [{}]], ids=str)
def test_a_text_in_a_document_does_not_say_python_s_words(value: Any) -> None:
    """A notice's title read "{'a': 1}"."""
    with pytest.raises(ContentError):
        render('{"in": "{{ x }}"}', "json", x=value)


@pytest.mark.parametrize(
    ("source", "document"),
    [
        ('{"a": "{{ x }}"}', {"a": 'say "hi" \\ \n'}),
        ('{"a": {{ x }}}', {"a": 'say "hi" \\ \n'}),
        ('{"a": {{ n }}, "b": "{{ n }}", "c": {{ no }}}', {"a": 1.5, "b": "1.5", "c": None}),
        ('{"a": {{ missing | default: "it\'s" }}}', {"a": "it's"}),
        (
            "[{% for each in list %}{{ each }}{% unless forloop.last %}, {% endunless %}{% endfor %}]",
            [1, "b"],
        ),
        ('{% capture y %}{"b": "{{ x }}"}{% endcapture %}{"a": "{{ y }}"}', {"a": '{"b": "say "hi" \\ \n"}'}),
        ('{"a\\"b": "\\\\{{ n }}"}', {'a"b': "\\1.5"}),
        ('["{% increment i %}", {% increment i %}, "{% cycle x, n %}"]', ["0", 1, 'say "hi" \\ \n']),
    ],
)
def test_documents(source: str, document: Any) -> None:
    text = render(source, "json", x='say "hi" \\ \n', n=1.5, no=None, list=[1, "b"])
    assert json.loads(text) == document


@pytest.mark.parametrize(
    "source",
    [
        '{"a": "\\{{ x }}"}',  # the backslash would take the value's own away
        '{"a": {% if x %}{{ x }}{% endif %}',
        "{% for each in (1..2) %}{{ x }}{% endfor %}",
        '{"a": {{ (1..3) }}}',
    ],
)
def test_what_is_no_document_is_not_sent(source: str) -> None:
    with pytest.raises(ContentError):
        render(source, "json", x='", "b": "')


@pytest.mark.parametrize("form", ["text", "html", "json"])
def test_a_text_without_values_is_left_as_it_is(form: Format) -> None:
    assert Template('{"a": "<b>"}').render({}, form) == '{"a": "<b>"}'


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("<p>{{ x }}</p>", None),
        ("a < {{ x }} > b", None),
        ("<a href=\"https://shop.example/?q={{ x }}\" class='{{ x }}'>{{ x }}</a>", None),
        ("<br/>{{ x }}<img src='a' alt='{{ x }}'/>{{ x }}", None),
        ("<!-- a --> {{ x }} <style>p {}</style>{{ x }}", None),
        ("{% if x %}<p title='{{ x }}'>{% endif %}", None),
        ("<{{ x }}>", "in a tag's name"),
        ("</{{ x }}>", "in a tag's name"),
        ("<h{{ x }}>", "in a tag's name"),
        ("<p {{ x }}>", "among a tag's attributes"),
        ("<p title={{ x }}>", "in an attribute without quotes"),
        ("<p title=a{{ x }}>", "in an attribute without quotes"),
        ("<p title= \n{{ x }}>", "in an attribute without quotes"),
        ("<p title='a'{{ x }}>", "among a tag's attributes"),
        ("<!-- {{ x }} -->", "in a comment"),
        ("<script>var x = '{{ x }}'</script>", "in <script>"),
        ("<STYLE>p { color: {{ x }} }</STYLE>", "in <style>"),
        ('<p onclick="go({{ x }})">', "in `onclick`"),
        ("<p STYLE='color: {{ x }}'>", "in `STYLE`"),
    ],
)
def test_values_stand_only_where_they_are_mere_text(source: str, where: str | None) -> None:
    found = list(format_findings(Template(source), "html"))
    assert [each.message for each in found] == ([] if where is None else [f"a value {where}"])
    for each in found:
        assert source[each.offset] == "x"
    assert not list(format_findings(Template(source), "text"))


@given(st.text("<>/='\"!- abscriptonclk", max_size=40), st.text("<>/='\"!- abscriptonclk", max_size=40))
def test_every_document_is_read_to_its_end(before: str, after: str) -> None:
    list(format_findings(Template(f"{before}{{{{ x }}}}{after}"), "html"))


@pytest.mark.parametrize(
    ("source", "fine"),
    [
        ('{"a": "{{ x }}", "b": {{ x }}}', True),
        ('"plain"', True),
        ("Hello", False),
        ("Hello {{ x }}", False),
        ('{"a": {{ x }}', False),
        ('{"a": "\\{{ x }}"}', False),
        ("[{% for y in x %}{{ y }},{% endfor %}", True),  # what loops write is seen when it is rendered
    ],
)
def test_what_cannot_become_a_document_is_found_at_check_time(source: str, *, fine: bool) -> None:
    found = [each.message for each in format_findings(Template(source), "json")]
    assert found == ([] if fine else ["not a JSON document"])
