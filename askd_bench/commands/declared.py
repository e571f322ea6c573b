"""How commands declare their options: those of `askd_bench.options` from its fields, others with the text of `--help` as it is written."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from rich.markup import escape

from askd_bench.arguments import Several, StrPath
from askd_bench.options import Options, RunOptions, about

_PARSED: Mapping[Any, Any] = {Several | None: list[str] | None, StrPath: Path, StrPath | None: Path | None, str | int | None: str | None}
"""What Python takes in several forms -> the one form that a command line has; other types are parsed as they are."""


def option(help: str, *names: str, **more: Any) -> Any:
    """Declare an option; without names it has that of its parameter. Brackets in the help are text."""
    return typer.Option(*names, help=escape(help), **more)


def argument(help: str, **more: Any) -> Any:
    """Declare an argument."""
    return typer.Argument(help=escape(help), **more)


def shared(name: str) -> Any:
    """Declare an option of the same name and meaning as in `run`, for a command that needs few of them."""
    return option(next(about(one).help for one in fields(RunOptions) if one.name == name))


def with_options(kind: type[Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of `kind`, and hand them to it as its parameter `options`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = [one.name for one in fields(kind)]

        @wraps(command)
        def parsed(**given: Any) -> None:
            options = kind(**{name: given.pop(name) for name in names})
            command(**given, options=options)

        own = list(inspect.signature(command).parameters.values())
        at = [one.name for one in own].index("options")
        own[at : at + 1] = map(_parameter, fields(kind))
        parsed.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]  # what typer reads
        return parsed

    return decorate


def _parameter(field: "Field[Any]") -> inspect.Parameter:
    kind = get_args(field.type)[0]
    parsed = str if get_origin(kind) is Literal else _PARSED.get(kind, kind)
    flag = (f"--{field.name.replace('_', '-')}",) if kind is bool else ()  # without a name there would be a --no-... too
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=field.default,
        annotation=Annotated[parsed, option(about(field).help, *flag)],
    )
