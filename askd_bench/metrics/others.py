"""Metrics of installed packages: an entry point of the group `askd_bench.metrics` names a module (docs/PLUGINS.md)."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol

from askd_bench.metrics.bootstrap import Clusters, resample
from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.metric import Metric, Statistics
from askd_bench.metrics.scoring import Scored
from askd_bench.plugins import Plugin, plugins


class MetricModule(Protocol):
    """What such a module holds."""

    METRICS: tuple[Metric, ...]

    def statistics(self, scored: Scored) -> Statistics:
        """Return what its metrics add up, a number an utterance."""


@cache
def packaged_modules() -> Mapping[str, tuple[Plugin, MetricModule]]:
    """Return name -> module of every installed package's metrics.

    Raises:
        UserError: one cannot be imported, is no such module, or has a metric whose name is taken.
    """
    taken = set(METRICS)
    found: dict[str, tuple[Plugin, MetricModule]] = {}
    for name, plugin in plugins("metrics").items():
        module: MetricModule = plugin.load_as(_is_module, "a module with METRICS, of Metric, and a function statistics(scored)")
        names = [metric.name for metric in module.METRICS]
        if twice := next((one for place, one in enumerate(names) if one in taken or one in names[:place]), None):
            raise plugin.refused(f"has a metric {twice!r} (allowed: a name that no other metric has)")
        taken.update(names)
        found[name] = plugin, module
    return found


def packaged_metrics() -> Iterator[Metric]:
    """Yield every installed package's metrics; see `packaged_modules`."""
    for _, module in packaged_modules().values():
        yield from module.METRICS


def packaged_estimates(scored: Scored, clusters: Clusters, *, resamples: int, seed: int) -> dict[str, Any]:
    """Return metric -> JSON-ready estimate; see `packaged_modules`.

    Raises:
        UserError: a package's code fails.
    """
    return {
        name: estimate
        for plugin, module in packaged_modules().values()
        for name, estimate in plugin.call(lambda module=module: _estimates(module, scored, clusters, resamples, seed)).items()
    }


def _estimates(module: MetricModule, scored: Scored, clusters: Clusters, resamples: int, seed: int) -> dict[str, Any]:
    resampled = resample(module.statistics(scored), clusters, resamples=resamples, seed=seed)
    return {metric.name: metric.estimate(resampled).as_dict() for metric in module.METRICS}


def _is_module(loaded: Any) -> bool:
    metrics = getattr(loaded, "METRICS", None)
    return isinstance(metrics, tuple) and all(isinstance(one, Metric) for one in metrics) and callable(getattr(loaded, "statistics", None))
