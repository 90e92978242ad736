"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="What the text of files is in, if not UTF-8 or UTF-16: cp1252, iso8859-1, …"
    ),
]
