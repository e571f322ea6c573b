"""What `askd-bench list` shows, as records. Each listing imports only what it needs, so that it answers at once."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from askd_bench.errors import UserError
from askd_bench.files import read_toml
from askd_bench.models.names import DEFAULT_MODEL, bundled_models
from askd_bench.paths import SUITES_DIR
from askd_bench.plugins import Plugin, plugins, suite_file
from askd_bench.tables.model import Cell, Column, Table

Records = list[dict[str, str]]


class _Heading(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: int
    title: str
    corpora: tuple[str, ...]


def suites() -> Records:
    """Return the bundled suites and those of installed packages; reads the files' headings only."""
    bundled = [_heading(path.stem, path) for path in sorted(SUITES_DIR.glob("*.toml"))]
    return bundled + [_heading_of(plugin) for plugin in plugins("suites").values()]


def _heading(name: str, path: Path) -> dict[str, str]:
    file = read_toml(path, _Heading, argument="suite")
    return {"suite": name, "version": str(file.version), "title": file.title, "default corpora": ", ".join(file.corpora)}


def _heading_of(plugin: Plugin) -> dict[str, str]:
    """Return the heading of a package's suite; where there is something wrong with it, that is its title."""
    try:
        return _heading(plugin.name, suite_file(plugin))
    except UserError as error:
        return {"suite": plugin.name, "version": "–", "title": str(error), "default corpora": ""}


def conditions(suite: str | Path) -> Records:
    """Return a suite's conditions with every parameter."""
    from askd_bench.suites import load_suite

    loaded = load_suite(suite)
    default = {condition.id for condition in loaded.select()}
    return [
        {
            "condition": condition.id,
            "default grid": "yes" if condition.id in default else "",
            "perturbations": "; ".join(
                f"{type(step).__name__}({_parameters(step.model_dump(exclude_none=True))})" for step in condition.chain
            )
            or "none: the recording as it is",
        }
        for condition in loaded.conditions.values()
    ]


def corpora() -> Records:
    """Return bundled and declared corpora."""
    from askd_bench.corpora import list_corpora

    return [
        {"corpus": entry.name, "kind": entry.kind, "description": entry.description, "licence": entry.licence} for entry in list_corpora()
    ]


def models() -> Records:
    """Return the bundled checkpoints."""
    return [
        {"model": name, "default": "yes" if name == DEFAULT_MODEL else "", "folder": str(folder)}
        for name, folder in bundled_models().items()
    ]


def metrics() -> Records:
    """Return every figure that is shown anywhere, and those of installed packages."""
    from askd_bench.metrics.catalogue import METRICS
    from askd_bench.metrics.others import packaged_metrics

    every = (*METRICS.values(), *packaged_metrics())
    return [{"metric": one.name, "meaning": one.meaning, "unit": one.unit, "better": one.better} for one in every]


LISTINGS: Mapping[str, Callable[[], Records]] = {"suites": suites, "corpora": corpora, "models": models, "metrics": metrics}


def listing_table(records: Records) -> Table:
    """Return records as a table."""
    columns = tuple(Column(label=name, text=True) for name in records[0])
    return Table(columns=columns, rows=tuple(tuple(Cell(text=text) for text in record.values()) for record in records))


def _parameters(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
