"""The settings as flags of a command, each with what it takes. Tested by tests/cli/test_commands.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from stream.settings import Settings

UNITS = ("seconds", "bytes")


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag for each setting, `--http-port` for STREAM_HTTP_PORT, passed on as keywords.

    What Typer reads of the command are its signature and annotations, so both are made anew.
    """
    own = [
        p
        for p in inspect.signature(command, eval_str=True).parameters.values()
        if p.kind is not p.VAR_KEYWORD
    ]
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    f"--{name.replace('_', '-')}",
                    help=f"{field.description} [STREAM_{name.upper()}]",
                    metavar=f"<{expected(field)}>",
                    show_default=False,
                ),
            ],
        )
        for name, field in Settings.model_fields.items()
        if "password" not in name  # a secret on a command line is everybody's
    ]

    def run(**values: Any) -> None:
        command(**values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *flags]}
    return run


def expected(field: FieldInfo) -> str:
    """What a setting's value is, in a word: the units of numbers are what their descriptions begin with."""
    kinds = {field.annotation, *get_args(field.annotation)}
    for each in kinds:
        if get_origin(each) is Literal:
            return "|".join(get_args(each))
    if kinds & {int, float}:
        unit = str(field.description).partition(" ")[0]
        return unit if unit in UNITS else "number"
    return "path" if Path in kinds else "text"
