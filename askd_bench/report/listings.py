"""What `askd-bench list` shows."""

import tomllib
from collections.abc import Callable, Mapping

from rich import box
from rich.table import Table

from askd_bench.corpora import list_corpora
from askd_bench.models.names import DEFAULT_MODEL, bundled_models
from askd_bench.suites import bundled_suites, load_suite


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, no_wrap=position == 0, overflow="fold")
    return table


def suites_table() -> Table:
    """Return the bundled suites; reads the files' headings only."""
    table = _table("suite", "version", "title", "default corpora")
    for name, path in bundled_suites().items():
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        table.add_row(name, str(content["version"]), content["title"], ", ".join(content["corpora"]))
    return table


def conditions_table(suite: str) -> Table:
    """Return a suite's conditions with every parameter."""
    loaded = load_suite(suite)
    default = {condition.id for condition in loaded.select()}
    table = _table("condition", "default grid", "perturbations")
    for condition in loaded.conditions.values():
        chain = "; ".join(f"{type(step).__name__}({_parameters(step.model_dump(exclude_none=True))})" for step in condition.chain)
        table.add_row(condition.id, "yes" if condition.id in default else "", chain or "none: the recording as it is")
    return table


def corpora_table() -> Table:
    """Return bundled and declared corpora."""
    table = _table("corpus", "kind", "description", "licence")
    for entry in list_corpora():
        table.add_row(entry.name, entry.kind, entry.description, entry.licence)
    return table


def models_table() -> Table:
    """Return the bundled checkpoints."""
    table = _table("model", "default", "folder")
    for name, folder in bundled_models().items():
        table.add_row(name, "yes" if name == DEFAULT_MODEL else "", str(folder))
    return table


def metrics_table() -> Table:
    """Return every figure of a summary."""
    from askd_bench.metrics.summary import METRICS

    table = _table("metric", "meaning", "unit", "better")
    for metric in METRICS:
        table.add_row(metric.name, metric.meaning, metric.unit, metric.better)
    return table


LISTINGS: Mapping[str, Callable[[], Table]] = {
    "suites": suites_table,
    "corpora": corpora_table,
    "models": models_table,
    "metrics": metrics_table,
}


def _parameters(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
