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
from askd_bench.errors import UserError, unknown_name
from askd_bench.files import read_toml
from askd_bench.options import Options, RunOptions, about

_PARSED: Mapping[Any, Any] = {Several | None: list[str] | None, StrPath: Path, StrPath | None: Path | None, str | int | None: str | None}
"""What Python takes in several forms -> the one form that a command line has; other types are parsed as they are."""

_Written = bool | int | float | str


def option(help: str, *names: str, **more: Any) -> Any:
    """Declare an option; without names it has that of its parameter. Brackets in the help are text."""
    return typer.Option(*names, help=escape(help), **more)


def argument(help: str, **more: Any) -> Any:
    """Declare an argument."""
    return typer.Argument(help=escape(help), **more)


def shared(name: str) -> Any:
    """Declare an option of the same name and meaning as in `run`, for a command that needs few of them."""
    return option(next(about(one).help for one in fields(RunOptions) if one.name == name))


def _read_config(context: typer.Context, file: Path | None) -> None:
    """Take the command's defaults from a file; what the command line says wins over them."""
    if file is None:
        return
    known = {one.name: one for one in context.command.params if one.name and one.name != _CONFIG}
    values = read_toml(file, dict[str, _Written | list[_Written]], argument=_CONFIG)
    for key in values:
        if key not in known:
            raise UserError(f"{_CONFIG}: {file}: {unknown_name('key', key, known)}")
    context.default_map = {key: _as_typed(value, several=known[key].multiple) for key, value in values.items()}


def _as_typed(value: _Written | list[_Written], *, several: bool) -> str | list[str]:
    """Return what someone would type, so that it is read and refused as that is."""
    if isinstance(value, list):
        return [str(one) for one in value]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return [text] if several else text


_CONFIG = "config"
_CONFIG_FILE = inspect.Parameter(
    _CONFIG,
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        option(
            'A TOML file of these options, as limit = 5 or noise_dir = "noise"; the command line wins.',
            is_eager=True,
            callback=_read_config,
        ),
    ],
)


def with_options(kind: type[Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of `kind`, and hand them to it as its parameter `options`; and `--config`, for all of its."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = [one.name for one in fields(kind)]

        @wraps(command)
        def parsed(**given: Any) -> None:
            del given[_CONFIG]  # its callback has read it
            options = kind(**{name: given.pop(name) for name in names})
            command(**given, options=options)

        own = list(inspect.signature(command).parameters.values())
        at = [one.name for one in own].index("options")
        own[at : at + 1] = [*map(_parameter, fields(kind)), _CONFIG_FILE]
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
