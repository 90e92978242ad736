"""Which templates are plain: text, and values by their paths with a few filters."""

from __future__ import annotations

import pytest

from stream.content.template import Template


@pytest.mark.parametrize(
    "source",
    [
        "Hello {{ event.name }}!",
        "{{ event.name | default: 'you' | upcase }}",
        "{{ traits.views[event.kind] }} {{ traits.views['x'] }} {{ event['two words'] }}",
        "{{ event.price | money: 'EUR' }} {{ now | date: '%d.%m.' }}",
        "{{ event.a }}" * 400,
    ],
)
def test_a_template_of_text_and_values_is_plain(source: str) -> None:
    assert Template(source).plain is not None


@pytest.mark.parametrize(
    "source",
    [
        "{% if event.name %}{{ event.name }}{% endif %}",
        "{{ event.list[0] }}",
        "{{ event.list.size }}",
        "{{ event.list | join }}",
        "{{ event.name | default: event.nick }}",
        "{{ event.name | default: 'x', allow_false: true }}",
        "{{ event.name | default: " + "9" * 100 + " }}",
        "{{ 'x' }}",
        "{{ event.a }}" * 401,
        "{{ event.name | upcase | upcase | upcase | upcase }}",
        "{{ event.a | money: 'EUR' }}" * 17,  # dear, and not counted
        "Hello",
    ],
)
def test_what_is_not_plain_is_left_to_python_liquid(source: str) -> None:
    assert Template(source).plain is None
