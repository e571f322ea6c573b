"""Arguments as Python callers give them: paths or their names, one or several, whole numbers; the rest is refused in one line."""

import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from askd_bench.errors import UserError, unknown_name

StrPath = str | Path
Several = StrPath | Sequence[StrPath]
"""One or several."""


def wrong_type(argument: str, value: object, allowed: str) -> UserError:
    """Return the error of a value that is of no use whatever it holds.

    >>> print(wrong_type("limit", "many", "a whole number"))
    limit: 'many' is of type str (allowed: a whole number)
    """
    shown = " ".join(repr(value).split())
    return UserError(
        f"{argument}: {shown if len(shown) <= 60 else shown[:57] + '...'} is of type {type(value).__name__} (allowed: {allowed})"
    )


def path_of(argument: str, value: object) -> Path:
    """Return a path given as such or as text.

    Raises:
        UserError: it is neither.
    """
    if not isinstance(value, str | Path):
        raise wrong_type(argument, value, "a path, as text or pathlib.Path")
    return Path(value)


def paths_of(argument: str, value: object) -> list[Path]:
    """Return one path, or several, as a list.

    >>> paths_of("result_dirs", "a") == paths_of("result_dirs", [Path("a")])
    True

    Raises:
        UserError: it is, or holds, something else.
    """
    return [path_of(argument, one) for one in _listed(argument, value, "a path, or several in a list")]


def names_of(argument: str, value: object) -> list[str]:
    """Return one name, or several, as a list; a path is the name of what it leads to.

    >>> names_of("corpus", "books"), names_of("corpus", [Path("a.jsonl"), "books"])
    (['books'], ['a.jsonl', 'books'])

    Raises:
        UserError: it is, or holds, something else.
    """
    return [text_of(argument, str(one) if isinstance(one, Path) else one) for one in _listed(argument, value, "text, or several in a list")]


def text_of(argument: str, value: object) -> str:
    """Return text.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(value, str):
        raise wrong_type(argument, value, "text")
    return value


def flag_of(argument: str, value: object) -> bool:
    """Return True or False.

    Raises:
        UserError: it is neither.
    """
    if not isinstance(value, bool):
        raise wrong_type(argument, value, "True or False")
    return value


def whole_number_of(argument: str, value: object, *, least: int, allowed: str = "") -> int:
    """Return a whole number, of Python's kind or numpy's.

    Args:
        argument: its name.
        value: what was given.
        least: the smallest there can be.
        allowed: how to say so; "" for the plain words.

    Raises:
        UserError: it is something else, or smaller.
    """
    if isinstance(value, bool):
        raise wrong_type(argument, value, "a whole number")
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # that is what it tells
    except TypeError:
        raise wrong_type(argument, value, "a whole number") from None
    if number < least:
        raise UserError(f"{argument}: {number} is out of range (allowed: {allowed or f'{least} or more'})")
    return number


def one_of(argument: str, value: object, names: Iterable[str]) -> str:
    """Return one of these names.

    Raises:
        UserError: it is none of them; the nearest are offered.
    """
    known = list(names)
    if text_of(argument, value) not in known:
        raise unknown_name(argument, str(value), known)
    return str(value)


def _listed(argument: str, value: Any, allowed: str) -> list[object]:
    if isinstance(value, str | Path):
        return [value]
    if not isinstance(value, Iterable) or isinstance(value, bytes | dict):
        raise wrong_type(argument, value, allowed)
    return list(value)
