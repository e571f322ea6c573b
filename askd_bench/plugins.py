"""What other packages bring along: suites, perturbations, metrics, runtimes and corpora, each named by an entry point (docs/PLUGINS.md).

Nothing of a package is imported before something of it is asked for by name, and what is then wrong with it is told in one line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from askd_bench.errors import UserError

Kind = Literal["suites", "perturbations", "metrics", "runtimes", "corpora"]


@dataclass(frozen=True, slots=True)
class Plugin:
    """Something of that kind and name in an installed package (or, by mistake, in several)."""

    kind: Kind
    name: str
    points: tuple[EntryPoint, ...]

    @property
    def package(self) -> str:
        """The package, with its version; of several, in alphabetical order."""
        return " and ".join(sorted(f"{point.dist.name} {point.dist.version}" if point.dist else point.value for point in self.points))

    def load(self) -> object:
        """Import what the entry point names.

        Raises:
            UserError: importing it fails, or two packages have something of that kind and name.
        """
        if len(self.points) > 1:
            raise self.refused("is in both (allowed: one of them installed)")
        try:
            return self.points[0].load()
        except Exception as error:  # another's code: it may raise anything
            raise self.refused(f"cannot be loaded: {_said(error)}") from error

    def load_as(self, check: Callable[[Any], bool], allowed: str) -> Any:
        """Import it, and see that it is something of the right kind.

        Args:
            check: whether it is.
            allowed: what it has to be, for the message.

        Raises:
            UserError: it is something else, or see `load`.
        """
        loaded = self.load()
        if not check(loaded):
            raise self.refused(f"is {' '.join(repr(loaded).split())[:60]} (allowed: {allowed})")
        return loaded

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call what a package brought along.

        Raises:
            UserError: its own, or one that tells what else it raised.
        """
        try:
            return function(*arguments)
        except UserError:
            raise
        except Exception as error:
            raise self.refused(f"failed: {_said(error)}") from error

    def refused(self, why: str) -> UserError:
        """Return the error that tells why it is of no use."""
        return UserError(f"{self.kind}: {self.name!r} of {self.package} {why}")


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def suite_file(plugin: Plugin) -> Path:
    """Return the file of a plugin's suite.

    Raises:
        UserError: the entry point names something else, or see `Plugin.load`.
    """
    return Path(plugin.load_as(lambda one: isinstance(one, Path) and one.suffix == ".toml", "the pathlib.Path of a TOML file"))


@cache
def plugins(kind: Kind) -> Mapping[str, Plugin]:
    """Return name -> plugin of a kind: the entry points in the group `askd_bench.<kind>`, sorted by name, none of them imported."""
    points: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=f"askd_bench.{kind}"):
        points[point.name] = (*points.get(point.name, ()), point)
    return {name: Plugin(kind, name, points[name]) for name in sorted(points)}
