"""Where values may stand in HTML: read as browsers read it, whichever way a template goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.content import markup
from stream.content.template import Template, format_findings

APART = "branches that end in different places of the HTML"

FINE = [
    "<p>{{ x }}</p>",
    "<p{% if x %} class='a'{% endif %}{% if y %} id='b'{% endif %}>{{ x }}</p>",
    "<input {% if x %}checked{% endif %}>{{ x }}",
    "<input {% if x %}checked{% else %}class='a'{% endif %} title='{{ x }}'>{{ x }}",
    "{% if x %}<a href='https://shop.example/{{ x }}'>{% endif %}x{% if x %}</a>{% endif %}{{ x }}",
    '{% for x in y %}<li title="{{ x }}">{{ x }}{% else %}<b>{{ y }}</b>{% endfor %}',
    "<ul>{% for x in y %}{% if x %}{% break %}{% endif %}<li>{{ x }}</li>{% endfor %}</ul>{{ y }}",
    "{% case x %}{% when 1 %}<b>{{ x }}</b>{% else %}{{ x }}{% endcase %}",
    "{% capture y %}<b>{{ x }}</b>{% endcapture %}<p title='a'>{{ y }}</p>",
    "<table>{% tablerow x in y %}{{ x }}{% endtablerow %}</table>",
    "<!--[if !mso]><!--><p>{{ x }}</p><!--<![endif]-->",
    "<!-->{{ x }}",
    "<!---->{{ x }}",
    "<!-- a --!>{{ x }}",
    "<!DOCTYPE html><title>{{ x }}</title><textarea>{{ x }}</textarea>{{ x }}",
    "<script>if (a </b) {}</script >{{ x }}",
    "<style>p > a {}</style\n>{{ x }}",
    "a < {{ x }} > b <3 {{ x }} </>{{ x }}",
    "<p data-sku='{{ x }}' aria-label='{{ x }}'>",
    "<a href='HTTPS://{{ x }}'>",
    "<a href='/cart?x={{ x }}&y={{ y }}#{{ x }}'>",
    "<a href='cart/{{ x }}'>",
    "<a href='?q={{ x }}'>",
    "<a href='mailto:{{ x }}'>",
    "<a href='{% if x %}https://a.example{% else %}https://b.example{% endif %}/{{ x }}'>",
    "<img src='//cdn.example/{{ x }}.png' alt='{{ x }}' width='{{ x }}'>",
    "<td background='https://cdn.example/{{ x }}'>",
    "{% comment %}<script>{% endcomment %}{{ x }}",
    "{% raw %}<p title='{% endraw %}{{ x }}'>",
    "<p title='{% if x %}a{% else %}b{{ x }}{% endif %}'>{{ x }}",
]

REFUSED = [
    ("<a href=\"javascript:f('{{ x }}')\">", "in a link that is code, in `href`"),
    ("<a href=' JaVa&#115;cript\t:{{ x }}'>", "in a link that is code, in `href`"),
    ("<a href='java&Tab;script:{{ x }}'>", "in a link that is code, in `href`"),
    ("<a href='vbscript:{{ x }}'>", "in a link that is code, in `href`"),
    ("<img src='data:image/png;base64,{{ x }}'>", "in a link that is code, in `src`"),
    ("<a href='{{ x }}'>", "at the beginning of `href`, where it says where it leads"),
    ("<a href='{{ x }}:{{ y }}'>", "at the beginning of `href`, where it says where it leads"),
    ("<a href='https{{ x }}'>", "at the beginning of `href`, where it says where it leads"),
    ("<a href='/{{ x }}'>", "at the beginning of `href`, where it says where it leads"),
    ("<a href='//{{ x }}'>", "at the beginning of `href`, where it says where it leads"),
    ("<img src='{{ x }}'>", "at the beginning of `src`, where it says where it leads"),
    (
        "<a href='{% if x %}https://a.example/{% endif %}{{ x }}'>",
        "at the beginning of `href`, where it says where it leads",
    ),
    (
        "<a href='{% if x %}java{% else %}x{% endif %}script:{{ x }}'>",
        "at the beginning of `href`, where it says where it leads",
    ),
    ("<script src='{{ x }}'>", "in `src` of <script>"),
    ("<script src='https://cdn.example/{{ x }}'>", "in `src` of <script>"),
    ("<iframe src='{{ x }}'>", "in `src` of <iframe>"),
    ("<iframe src='https://a.example/?{{ x }}'>", "in `src` of <iframe>"),
    ("<iframe srcdoc='{{ x }}'>", "in `srcdoc`"),
    ("<base href='https://{{ x }}'>", "in `href` of <base>"),
    ("<link href='https://{{ x }}'>", "in `href` of <link>"),
    ("<meta http-equiv='refresh' content='0;url={{ x }}'>", "in `content`"),
    ("<meta name='{{ x }}'>", "in `name`"),
    ("<form action='https://{{ x }}'>", "in `action`"),
    ("<button formaction='https://{{ x }}'>", "in `formaction`"),
    ("<object data='{{ x }}'>", "in `data`"),
    ("<svg><a xlink:href='{{ x }}'>", "in `xlink:href`"),
    ("<img srcset='{{ x }} 2x'>", "in `srcset`"),
    ("<p data-src='{{ x }}'>", "in `data-src`"),
    ("<p data-onclick='{{ x }}'>", "in `data-onclick`"),
    ("<p onclick='{{ x }}'>", "in `onclick`"),
    ("<p/onclick='{{ x }}'>", "in `onclick`"),
    ("<p title='a'onclick='{{ x }}'>", "in `onclick`"),
    ("<p on{% comment %}{% endcomment %}click='{{ x }}'>", "in `onclick`"),
    ("<p onclick\n=\n'{{ x }}'>", "in `onclick`"),
    ("<p ='{{ x }}'>", "among a tag's attributes"),
    ("</ {{ x }}>", "in a comment"),
    ("<p style='{{ x }}'>", "in `style`"),
    ("<p {{ x }}='a'>", "among a tag's attributes"),
    ("<p class{{ x }}='a'>", "among a tag's attributes"),
    ("<scr{{ x }}ipt>", "in a tag's name"),
    ("<textarea></text{{ x }}area>", "in a tag's name"),
    ("<script>{% cycle x, y %}</script>", "in <script>"),
    ("<script>{% increment n %}</script>", "in <script>"),
    ("<script>{% if x %}{{ x }}{% endif %}</script>", "in <script>"),
    ("<script></scrip{{ x }}</script>", "in <script>"),
    ("<noscript>{{ x }}</noscript>", "in <noscript>"),
    ("<iframe>{{ x }}</iframe>", "in <iframe>"),
    ("<plaintext></plaintext>{{ x }}", "in <plaintext>"),
    ("<!--{{ x }}-->", "in a comment"),
    ("<!-{% if x %}{% endif %}- {{ x }}", "in a comment"),
    ("<!x {{ x }}>", "in a comment"),
    ("<?xml {{ x }}?>", "in a comment"),
    ("<!-->--><script>{{ x }}", "in <script>"),
]

APARTS = [
    "<script>{% if x %}</script>{% endif %}{{ x }}",
    "{% if x %}<script>{% endif %}{{ x }}</script>",
    "{% unless x %}<!--{% endunless %}{{ x }}",
    "<p {% if x %}title='{% else %}onclick='{% endif %}{{ x }}'>",
    "<p title={% if x %}'{% else %}\"{% endif %}{{ x }}'>",
    "{% if x %}<p title={% else %}a{% endif %}{{ x }}>",
    "<{% if x %}script{% else %}style{% endif %}>",
    "<scr{% if x %}ipt{% endif %}>{{ x }}",
    "{% for y in x %}<p title='{% endfor %}'>",
    "{% for y in x %}{% if y %}<p title='{% break %}{% endif %}{% endfor %}{{ x }}'>",
    "{% case x %}{% when 1 %}<b title='{% when 2 %}{% endcase %}{{ x }}'>",
    "{% capture y %}<p title='{% endcapture %}{{ y }}'>",
    "{% tablerow y in x %}<p title='{% endtablerow %}'>",
]


def messages(source: str) -> list[str]:
    return [each.message for each in format_findings(Template(source), "html")]


@pytest.mark.parametrize("source", FINE)
def test_values_that_are_mere_text(source: str) -> None:
    assert messages(source) == []


@pytest.mark.parametrize(("source", "where"), REFUSED)
def test_values_that_would_be_more_than_text(source: str, where: str) -> None:
    assert f"a value {where}" in messages(source)


@pytest.mark.parametrize("source", APARTS)
def test_branches_that_leave_different_states(source: str) -> None:
    assert APART in messages(source)


@pytest.mark.parametrize(
    "source", ["<p{% if x %} a{% endif %}b='{{ x }}'>", "<p {% if x %}on{% endif %}click='{{ x }}'>"]
)
def test_a_name_is_not_put_together_from_pieces(source: str) -> None:
    assert "a name in a tag that is put together from pieces" in messages(source)


def test_rows_of_a_table_stand_in_text() -> None:
    assert messages("<p title='{% tablerow x in y %}{% endtablerow %}'>") == [
        "rows of a table outside of text"
    ]


PIECES = st.sampled_from(
    [
        *("<p", "<a", "<script", "</script", "<!--", "-->", "--!>", ">", "/", "<", " ", "=", "'", '"', "x"),
        *("title", "onclick", "href", "https:", "javascript:", "&#106;", "<title>", "</title>", "!", "?"),
        *("-", "a"),
    ]
)


@given(st.lists(PIECES, max_size=20))
def test_a_document_is_read_the_same_in_any_pieces(pieces: list[str]) -> None:
    at = markup.At()
    for each in pieces:
        at = markup.read(at, each)
    whole = markup.read(markup.At(), "".join(pieces))
    assert (at.place, at.tag, at.name, at.quote) == (whole.place, whole.tag, whole.name, whole.quote)
    assert markup.complaint(at) == markup.complaint(whole)
