"""Suites: TOML files that name conditions, read into validated chains of perturbations with a version and a fingerprint."""

import fnmatch
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from askd_bench.arguments import path_of
from askd_bench.errors import UserError, unknown_name
from askd_bench.files import Document, read_toml
from askd_bench.paths import SUITES_DIR
from askd_bench.perturbations.base import Perturbation
from askd_bench.perturbations.registry import build_perturbation
from askd_bench.plugins import plugins, suite_file

_PLACEHOLDER = re.compile(r"^\{(\w+)\}$")
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One acoustic condition: the perturbations to apply in order; none for clean speech.

    `family` groups conditions that differ in severity alone; `severity` is the value of the axis that orders them, and grows with the
    damage if `severity_order` is "ascending".
    """

    id: str
    chain: tuple[Perturbation, ...] = ()
    family: str | None = None
    severity: float | None = None
    severity_order: Literal["ascending", "descending"] = "ascending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named, versioned set of conditions.

    Attributes:
        default: ids of the short default grid. limit: utterances per corpus in a default run; None for all.
        baseline: the condition the others are compared with. corpora: specs of the default corpora.
        by_group: its results are read by group of speakers, so that tables by group are printed with them.
        subgrids: name -> ids, selectable as `@name`.
        fingerprint: sha256 over name, version and every condition with all its parameters; texts and defaults of the run do not count.
    """

    name: str
    version: int
    title: str
    description: str
    corpora: tuple[str, ...]
    baseline: str
    conditions: Mapping[str, Condition]
    default: tuple[str, ...]
    subgrids: Mapping[str, tuple[str, ...]]
    limit: int | None
    by_group: bool
    fingerprint: str

    @property
    def label(self) -> str:
        """Return e.g. `noisy-v1`, as result directories are named."""
        return f"{self.name}-v{self.version}"

    def select(self, patterns: Sequence[str] | None = None, *, full: bool = False) -> list[Condition]:
        """Return the conditions to run, in the suite's order.

        Args:
            patterns: condition ids, globs (`babble-*`) or sub-grids (`@srb`); None for the default grid. The baseline always comes along,
                since degradation is measured against it.
            full: all conditions.

        Raises:
            UserError: a pattern that matches nothing, with the nearest ids.
        """
        if patterns and full:
            raise UserError(f"conditions: {','.join(patterns)!r} cannot be combined with full (allowed: one of the two)")
        if full:
            return list(self.conditions.values())
        wanted = {self.baseline} | self._match(patterns or self.default)
        return [condition for id_, condition in self.conditions.items() if id_ in wanted]

    def _match(self, patterns: Iterable[str]) -> set[str]:
        matched: set[str] = set()
        for pattern in patterns:
            if pattern.startswith("@"):
                if pattern[1:] not in self.subgrids:
                    raise unknown_name("conditions", pattern, [f"@{name}" for name in self.subgrids])
                found = sorted(self._match(self.subgrids[pattern[1:]]))
            else:
                found = [id_ for id_ in self.conditions if fnmatch.fnmatchcase(id_, pattern)]
            if not found:
                raise unknown_name("conditions", pattern, self.conditions)
            matched.update(found)
        return matched


class _ConditionTable(Document):
    id: str
    chain: tuple[dict[str, Any], ...] = ()
    family: str | None = None
    severity: float | None = None
    severity_order: Literal["ascending", "descending"] = "ascending"


class _GridTable(Document):
    id: str
    axes: dict[str, Annotated[list[str | int | float], Field(min_length=1)]] = Field(min_length=1)
    chain: tuple[dict[str, Any], ...]
    family: str | None = None
    severity: str | None = None
    severity_order: Literal["ascending", "descending"] = "ascending"


class _SuiteFile(Document):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    version: int = Field(ge=1)
    title: str
    description: str
    corpora: tuple[str, ...] = Field(min_length=1)
    baseline: str = "clean"
    default: tuple[str, ...] = ()
    limit: int | None = Field(None, ge=1)
    by_group: bool = False
    conditions: tuple[_ConditionTable, ...] = ()
    grids: tuple[_GridTable, ...] = ()
    subgrids: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def bundled_suites() -> dict[str, Path]:
    """Return name -> file of the suites that come with the benchmark."""
    return {path.stem: path for path in sorted(SUITES_DIR.glob("*.toml"))}


def load_suite(suite: str | Path) -> Suite:
    """Read a suite by name, bundled or of an installed package, or any suite file by path.

    Raises:
        UserError: unknown name; or a file that is not TOML, has an unknown key, or a value out of range: one line with file, key, value and
            what is allowed.
    """
    path = _file(path_of("suite", suite))
    file = read_toml(path, _SuiteFile, argument="suite")
    try:
        return _expand(file)
    except UserError as error:
        raise UserError(f"suite: {path}: {error}") from None


def has_suite(name: str) -> bool:
    """Say whether `load_suite` knows a name."""
    return name in bundled_suites() or name in plugins("suites")


def _file(suite: Path) -> Path:
    bundled, others = bundled_suites(), plugins("suites")
    if str(suite) in bundled:
        return bundled[str(suite)]
    if str(suite) in others:
        return suite_file(others[str(suite)])
    if suite.suffix != ".toml":
        raise unknown_name("suite", str(suite), [*bundled, *others])
    if not suite.is_file():
        raise UserError(f"suite: {str(suite)!r} does not exist (allowed: a .toml file, or one of {', '.join([*bundled, *others])})")
    return suite


def _expand(file: _SuiteFile) -> Suite:
    conditions: dict[str, Condition] = {}
    for condition in itertools.chain(map(_single, file.conditions), itertools.chain.from_iterable(map(_grid, file.grids))):
        if not _ID.match(condition.id):
            raise UserError(f"condition id: {condition.id!r} is not allowed (allowed: letters, digits and . _ + -)")
        if condition.id in conditions:
            raise UserError(f"condition id: {condition.id!r} occurs twice (allowed: once)")
        conditions[condition.id] = condition
    if file.baseline not in conditions:
        raise unknown_name("baseline", file.baseline, conditions)
    suite = Suite(
        name=file.name,
        version=file.version,
        title=file.title,
        description=" ".join(file.description.split()),
        corpora=file.corpora,
        baseline=file.baseline,
        conditions=conditions,
        default=file.default or tuple(conditions),
        subgrids=file.subgrids,
        limit=file.limit,
        by_group=file.by_group,
        fingerprint=_fingerprint(file.name, file.version, conditions.values()),
    )
    suite.select()  # refuses defaults that match nothing
    for ids in suite.subgrids.values():
        suite.select(ids)
    return suite


def _single(table: _ConditionTable) -> Condition:
    return Condition(
        id=table.id,
        chain=_chain(table.id, table.chain),
        family=table.family,
        severity=table.severity,
        severity_order=table.severity_order,
    )


def _grid(table: _GridTable) -> Iterable[Condition]:
    if table.severity is not None and table.severity not in table.axes:
        raise unknown_name(f"grid {table.id!r}: severity", table.severity, table.axes)
    for values in itertools.product(*table.axes.values()):
        point = dict(zip(table.axes, values, strict=True))
        id_ = _fill(table.id, point, table.id)
        severity = point[table.severity] if table.severity is not None else None
        if isinstance(severity, str):
            raise UserError(f"grid {table.id!r}: severity: axis {table.severity!r} has {severity!r} (allowed: an axis of numbers)")
        yield Condition(
            id=id_,
            chain=_chain(id_, [{key: _substitute(value, point, table.id) for key, value in step.items()} for step in table.chain]),
            family=_fill(table.family, point, table.id) if table.family else None,
            severity=None if severity is None else float(severity),
            severity_order=table.severity_order,
        )


def _substitute(value: Any, point: Mapping[str, str | int | float], grid: str) -> Any:
    if not isinstance(value, str):
        return value
    match = _PLACEHOLDER.match(value)
    if not match:
        return _fill(value, point, grid)
    if match[1] not in point:
        raise unknown_name(f"grid {grid!r}: placeholder", match[1], point)
    return point[match[1]]


def _fill(template: str, point: Mapping[str, str | int | float], grid: str) -> str:
    try:
        return template.format_map(point)
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        allowed = ", ".join(f"{{{axis}}}" for axis in point)
        raise UserError(f"grid {grid!r}: {template!r} has a placeholder that is no axis: {error} (allowed: {allowed})") from None


def _chain(condition: str, steps: Sequence[Mapping[str, Any]]) -> tuple[Perturbation, ...]:
    chain = []
    for step in steps:
        name = step.get("perturbation")
        if not isinstance(name, str):
            raise UserError(
                f"condition {condition!r}: a step of its chain has no perturbation (allowed: perturbation = NAME, then its parameters)"
            )
        try:
            chain.append(build_perturbation(name, {key: value for key, value in step.items() if key != "perturbation"}))
        except UserError as error:
            raise UserError(f"condition {condition!r}: {error}") from None
    return tuple(chain)


def _fingerprint(name: str, version: int, conditions: Iterable[Condition]) -> str:
    content = [name, version, [[c.id, [[type(p).__name__, p.model_dump(mode="json")] for p in c.chain]] for c in conditions]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
