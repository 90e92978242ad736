"""A page that stands alone: it fetches nothing and runs no script, and its own policy
(Content-Security-Policy) forbids both.

Tested by tests/authoring/page/test_page.py, and in a browser by test_in_browser.py.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from stream.authoring.page.markup import Child, Html, element, joined
from stream.authoring.page.style import STYLE


def document(title: str, *body: Child) -> str:
    """The whole page."""
    return f"<!DOCTYPE html>\n{element('html', _head(title), element('body', *body), lang='en')}\n"


def _head(title: str) -> Html:
    allowed = b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'"
    policy += "; form-action 'none'"
    return joined(
        [
            Html('<head><meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
            Html('<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<link rel="icon" href="data:,">'),
            element("title", title),
            Html(f"<style>{STYLE}</style></head>"),
        ]
    )
