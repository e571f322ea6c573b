"""The errors a user can cause, each told in one line."""

import difflib
from collections.abc import Iterable

_MOST_NAMES = 24
_NEARLY_AS_NEAR = 0.1


class UserError(Exception):
    """Bad input. The message names the argument, the value and what is allowed; the command line prints it and exits with 2.

    Messages quote names and values from anywhere: what a terminal would act on, line ends too, is escaped.

    >>> print(UserError("speaker: a\\x1b[2Jb\\n is unknown"))
    speaker: a\\x1b[2Jb\\n is unknown
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class AudioError(UserError):
    """Audio that cannot be used. During a run it becomes an error row; the run goes on."""


def printable(text: str) -> str:
    r"""Return a text with everything that is not printable escaped as Python does.

    >>> print(printable("café\x1b[31m"))
    café\x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class FigureWarning(UserWarning):
    """Something that changes figures, or what they may be compared with, though the run goes on."""


def unknown_name(argument: str, value: str, allowed: Iterable[str]) -> UserError:
    """Return a `UserError` that offers the names nearest to `value` first.

    >>> print(unknown_name("suite", "nosiy", ["noisy", "clean"]))
    suite: 'nosiy' is unknown; did you mean 'noisy'? (allowed: clean, noisy)
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(value, names, n=3, cutoff=0.5)
    near = [name for name in near if _likeness(value, near[0]) - _likeness(value, name) < _NEARLY_AS_NEAR]
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    shown = ", ".join(names[:_MOST_NAMES]) + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
    return UserError(f"{argument}: {value!r} is unknown{hint} (allowed: {shown or 'none'})")


def _likeness(value: str, name: str) -> float:
    return difflib.SequenceMatcher(None, name, value).ratio()
