"""What `askd-bench list` shows, as records. Each listing imports only what it needs, so that it answers at once."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict

from askd_bench.files import read_toml
from askd_bench.models.names import DEFAULT_MODEL, bundled_models
from askd_bench.paths import SUITES_DIR
from askd_bench.tables.model import Cell, Column, Table

Records = list[dict[str, str]]


class _Heading(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: int
    title: str
    corpora: tuple[str, ...]


def suites() -> Records:
    """Return the bundled suites; reads the files' headings only."""
    files = {path.stem: read_toml(path, _Heading, argument="suite") for path in sorted(SUITES_DIR.glob("*.toml"))}
    return [
        {"suite": name, "version": str(file.version), "title": file.title, "default corpora": ", ".join(file.corpora)}
        for name, file in files.items()
    ]


def conditions(suite: str) -> Records:
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
    """Return every figure that is shown anywhere."""
    from askd_bench.metrics.catalogue import METRICS

    return [{"metric": one.name, "meaning": one.meaning, "unit": one.unit, "better": one.better} for one in METRICS.values()]


LISTINGS: Mapping[str, Callable[[], Records]] = {"suites": suites, "corpora": corpora, "models": models, "metrics": metrics}


def listing_table(records: Records) -> Table:
    """Return records as a table."""
    columns = tuple(Column(label=name, text=True) for name in records[0])
    return Table(columns=columns, rows=tuple(tuple(Cell(text=text) for text in record.values()) for record in records))


def _parameters(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
