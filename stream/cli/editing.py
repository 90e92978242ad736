"""`stream lsp`: a language server for rule files, which an editor starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stream.errors import StreamError
from stream.settings import own_topics

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def lsp(
    rules: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the rule files; else the folder of the editor's that has some. [STREAM_RULES]",
            envvar="STREAM_RULES",
            show_envvar=False,
        ),
    ] = None,
) -> None:
    """Help an editor with rule files: findings while typing, completion, definitions. Editors start it."""
    try:
        from stream.authoring.editor.features import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        hint = "pip install 'stream-triggers[lsp]'"
        raise StreamError("`stream lsp` needs pygls, which is not installed", hint=hint) from None
    serve(None if rules is None else rules.absolute(), own_topics(os.environ))
